import { sortedOrder } from "../stats/sorted-order.ts";

/** One model's scores on labelled rows. */
export interface ScoredRows {
  /** Probability of the positive class, in [0, 1]. */
  readonly scores: Float64Array;
  /** 0 or 1, aligned with `scores`. */
  readonly labels: Uint8Array;
  /** Row indices by ascending score: sorted once, read by every metric that ranks. */
  readonly order: Uint32Array;
  readonly positiveCount: number;
  /** The model decides positive at or above it; its own, so that two models are compared as each would serve. */
  readonly threshold: number;
}

/** Two models on the same rows: labels and row order are shared. */
export interface PairedRows {
  readonly challenger: ScoredRows;
  readonly champion: ScoredRows;
}

/**
 * Takes scores of any float width and labels, and sorts once.
 *
 * @throws RangeError on different lengths, a label other than 0 and 1, or a score that is no probability (NaN too): the caller checks
 * model output before it comes here
 */
export function createScoredRows(
  scores: Float32Array | Float64Array,
  labels: Uint8Array,
  threshold: number,
): ScoredRows {
  if (scores.length !== labels.length) throw new RangeError(`${scores.length} scores for ${labels.length} labels`);
  for (let row = 0; row < scores.length; row++) {
    if (!(scores[row]! >= 0 && scores[row]! <= 1)) throw new RangeError(`score ${scores[row]} in row ${row}`);
    if (labels[row]! > 1) throw new RangeError(`label ${labels[row]} in row ${row}`);
  }
  const wide = Float64Array.from(scores);
  return { scores: wide, labels, order: sortedOrder(wide), positiveCount: countPositives(labels), threshold };
}

/**
 * Splits rows by a code per row into one `ScoredRows` a code; rows with a negative code belong to none.
 *
 * Linear in the rows whatever the number of slices: each slice gets its rows in order of score from the one sort of the whole.
 *
 * @returns as many elements as `sliceCount`; a code without rows gives empty rows
 */
export function splitScoredRows(rows: ScoredRows, codes: Int32Array, sliceCount: number): ScoredRows[] {
  const sizes = new Uint32Array(sliceCount);
  for (const code of codes) if (code >= 0) sizes[code]!++;
  const parts = Array.from(sizes, (size) => ({
    scores: new Float64Array(size),
    labels: new Uint8Array(size),
    order: new Uint32Array(size),
  }));
  const positionInSlice = new Uint32Array(codes.length);
  const filled = new Uint32Array(sliceCount);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    if (code < 0) continue;
    const position = filled[code]!++;
    positionInSlice[row] = position;
    parts[code]!.scores[position] = rows.scores[row]!;
    parts[code]!.labels[position] = rows.labels[row]!;
  }
  filled.fill(0);
  for (const row of rows.order) {
    const code = codes[row]!;
    if (code >= 0) parts[code]!.order[filled[code]!++] = positionInSlice[row]!;
  }
  return parts.map((part) => ({ ...part, positiveCount: countPositives(part.labels), threshold: rows.threshold }));
}

function countPositives(labels: Uint8Array): number {
  let count = 0;
  for (const label of labels) count += label;
  return count;
}
