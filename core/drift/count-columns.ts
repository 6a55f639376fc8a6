import type { ColumnBatch } from "../../contracts/data.ts";
import type { BaselineColumn } from "../../contracts/drift.ts";
import { watchedValues } from "./watched-columns.ts";

export interface Counter {
  readonly add: (batch: ColumnBatch) => void;
  readonly rowCount: () => number;
  /** The columns with what was counted since; counts merge by addition, whatever the order or cut of the rows. */
  readonly counts: () => BaselineColumn[];
}

/**
 * Counts rows into the bins of frozen columns; the counts these columns came with do not enter. NaN is null; infinities fall into
 * the open end bins. For a category the last count, one past the values, is of every word not among them.
 * @param where begins every failure's message
 * @throws COLUMN_MISSING, COLUMN_TYPE when a batch lacks a column or has it as another type
 */
export function createCounter(columns: readonly BaselineColumn[], where: string): Counter {
  const tallies = columns.map((frozen) => ({ frozen, counts: new Float64Array(frozen.counts.length), nullCount: 0 }));
  const places = columns.map(
    (frozen) => new Map(frozen.kind === "category" ? frozen.values.map((word, at) => [word, at] as const) : []),
  );
  let rowCount = 0;
  return {
    add: (batch) => {
      rowCount += batch.rowCount;
      for (const [index, tally] of tallies.entries()) {
        const { frozen, counts } = tally;
        const values = watchedValues(batch, frozen, where);
        if (frozen.kind === "category") tally.nullCount += countCategories(values, places[index]!, counts);
        else if (values.kind === "number") tally.nullCount += countNumbers(values.values, frozen.edges, counts);
      }
    },
    rowCount: () => rowCount,
    counts: () => tallies.map(({ frozen, counts, nullCount }) => ({ ...frozen, counts: [...counts], nullCount })),
  };
}

/** Adds to `counts`; returns the number of nulls. */
function countNumbers(values: Float64Array, inner: readonly number[], counts: Float64Array): number {
  const edges = Float64Array.from(inner);
  let nullCount = 0;
  for (const value of values) {
    if (Number.isNaN(value)) {
      nullCount += 1;
      continue;
    }
    // The first edge at or above the value is the bin's right end, which belongs to it.
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (edges[middle]! < value) low = middle + 1;
      else high = middle;
    }
    counts[low]! += 1;
  }
  return nullCount;
}

function countCategories(
  values: ReturnType<typeof watchedValues>,
  places: ReadonlyMap<string, number>,
  counts: Float64Array,
): number {
  const other = counts.length - 1;
  let nullCount = 0;
  if (values.kind === "text") {
    const bins = Int32Array.from(values.dictionary, (word) => places.get(word) ?? other);
    for (const code of values.codes) {
      if (code < 0) nullCount += 1;
      else counts[bins[code]!]! += 1;
    }
    return nullCount;
  }
  const bins = new Map<number, number>();
  for (const value of values.values) {
    if (Number.isNaN(value)) {
      nullCount += 1;
      continue;
    }
    let bin = bins.get(value);
    if (bin === undefined) bins.set(value, (bin = places.get(String(value)) ?? other));
    counts[bin]! += 1;
  }
  return nullCount;
}
