import type { Column, ColumnBatch, ColumnDescription, ColumnSummary } from "../../contracts/data.ts";
import { createDistinctNumbers } from "./distinct-numbers.ts";

export interface ColumnSummarizer {
  readonly add: (batch: ColumnBatch) => void;
  readonly finish: () => ColumnSummary[];
}

/** Distinct values are counted exactly up to here; columns with more say null rather than an estimate. */
const MOST_DISTINCT = 65_536;

/**
 * Summaries of columns over any number of batches, in constant memory. Nulls and infinities both count as null: neither is a
 * value a model can use. `deviation` is of the population (divided by the count), as scaling wants it; of tensors every
 * number counts, and a row is null when any of its numbers is. Columns without a value have null statistics.
 *
 * Source: Chan, Golub, LeVeque (1979), merging means and squared deviations batch by batch; checked against NumPy.
 */
export function summarizeColumns(columns: readonly ColumnDescription[]): ColumnSummarizer {
  const states = columns.map((description) => ({ description, summary: createSummary(description) }));
  return {
    add(batch) {
      for (const { description, summary } of states) {
        const column = batch.columns.get(description.name);
        if (column !== undefined) summary.add(column, batch.rowCount);
      }
    },
    finish: () => states.map(({ summary }) => summary.finish()),
  };
}

function createSummary({ name, type }: ColumnDescription) {
  const moments = createMoments();
  const numbers = createDistinctNumbers(MOST_DISTINCT);
  const words = createDistinctWords();
  let rowCount = 0;
  let nullCount = 0;
  return {
    add(column: Column, batchRows: number) {
      rowCount += batchRows;
      if (column.kind === "text") {
        nullCount += column.codes.reduce((count, code) => (code < 0 ? count + 1 : count), 0);
        words.add(column.codes, column.dictionary);
        return;
      }
      const finiteCount = moments.add(column.values);
      if (column.kind === "number") {
        nullCount += batchRows - finiteCount;
        numbers.add(column.values);
        return;
      }
      const width = column.rowShape.reduce((product, size) => product * size, 1);
      for (let row = 0; row < batchRows; row++) {
        const numbers = column.values.subarray(row * width, (row + 1) * width);
        if (!numbers.every(Number.isFinite)) nullCount++;
      }
    },
    finish: (): ColumnSummary => ({
      name,
      type,
      rowCount,
      nullCount,
      ...moments.finish(),
      distinctCount: type === "tensor" ? null : type === "text" ? words.count() : numbers.count(),
    }),
  };
}

function createMoments() {
  let count = 0;
  let mean = 0;
  let squares = 0;
  let minimum = Infinity;
  let maximum = -Infinity;
  return {
    /** How many of the values are finite. */
    add(values: Float64Array): number {
      let batchCount = 0;
      let sum = 0;
      for (let index = 0; index < values.length; index++) {
        const value = values[index]!;
        if (!Number.isFinite(value)) continue;
        batchCount++;
        sum += value;
        if (value < minimum) minimum = value;
        if (value > maximum) maximum = value;
      }
      if (batchCount === 0) return 0;
      const batchMean = sum / batchCount;
      let batchSquares = 0;
      for (let index = 0; index < values.length; index++) {
        const apart = values[index]! - batchMean;
        if (Number.isFinite(apart)) batchSquares += apart * apart;
      }
      const apart = batchMean - mean;
      const total = count + batchCount;
      squares += batchSquares + apart * apart * ((count * batchCount) / total);
      mean += apart * (batchCount / total);
      count = total;
      return batchCount;
    },
    finish: () =>
      count === 0
        ? { minimum: null, maximum: null, mean: null, deviation: null }
        : // Adding 0 turns -0 into 0, which JSON and readers take for another number.
          { minimum: minimum + 0, maximum: maximum + 0, mean, deviation: Math.sqrt(squares / count) },
  };
}

/** Different words that some row uses; null beyond the bound. */
function createDistinctWords() {
  const seen = new Set<string>();
  let counting = true;
  return {
    add(codes: Int32Array, dictionary: readonly string[]) {
      if (!counting) return;
      const used = new Uint8Array(dictionary.length);
      for (const code of codes) if (code >= 0) used[code] = 1;
      dictionary.forEach((word, code) => {
        if (used[code] === 1) seen.add(word);
      });
      counting = seen.size <= MOST_DISTINCT;
      if (!counting) seen.clear();
    },
    count: () => (counting ? seen.size : null),
  };
}
