import type { BaselineColumn } from "../../contracts/drift.ts";

/** Rows that hold a value. */
export function valueCount({ counts }: BaselineColumn): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

export function rowCount(column: BaselineColumn): number {
  return valueCount(column) + column.nullCount;
}

/** Cells of a test that compares shares: few and full enough for their bounds to be narrow. */
export interface Cells {
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

const MOST_NUMBER_CELLS = 10;
const MOST_CATEGORY_CELLS = 32;

/**
 * Folds a column's bins into cells, by the reference alone so that the window has no say: numbers into the decile that the
 * bin's middle lies in, bins beyond all of the reference apart; categories into the 31 most frequent and one for all others, new
 * ones included. Ten bins or fewer stay as they are.
 */
export function foldCells(reference: BaselineColumn, current: BaselineColumn): Cells {
  const cellOf = reference.kind === "number" ? decileOf(reference.counts) : frequentOf(reference.counts);
  const size = Math.max(...cellOf) + 1;
  const fold = (counts: readonly number[]) => {
    const cells = Array.from({ length: size }, () => 0);
    for (const [bin, count] of counts.entries()) cells[cellOf[bin]!]! += count;
    return cells;
  };
  return { reference: fold(reference.counts), current: fold(current.counts) };
}

function decileOf(counts: readonly number[]): number[] {
  if (counts.length <= MOST_NUMBER_CELLS) return counts.map((_, bin) => bin);
  const total = counts.reduce((sum, count) => sum + count, 0);
  let before = 0;
  let cell = -1;
  let level = Number.NaN;
  return counts.map((count) => {
    // -1 below the first value of the reference, 10 above the last one.
    const here = before === 0 && count === 0 ? -1 : Math.floor(((before + count / 2) / total) * MOST_NUMBER_CELLS);
    before += count;
    if (here !== level) cell += 1;
    level = here;
    return cell;
  });
}

function frequentOf(counts: readonly number[]): number[] {
  const other = counts.length - 1;
  const ranked = counts
    .map((count, bin) => ({ count, bin }))
    .filter(({ bin }) => bin !== other)
    .sort((a, b) => b.count - a.count || a.bin - b.bin);
  const cells = counts.map(() => Math.min(other, MOST_CATEGORY_CELLS - 1));
  for (const [rank, { bin }] of ranked.slice(0, MOST_CATEGORY_CELLS - 1).entries()) cells[bin] = rank;
  return cells;
}
