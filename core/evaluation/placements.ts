import type { ScoredRows } from "./scored-rows.ts";

/** What ROC AUC and its variance are made of. */
export interface Placements {
  /** Mean placement: the probability that a positive scores above a negative, ties counted half. */
  readonly areaUnderCurve: number;
  /**
   * Of a positive row the share of negatives below it, of a negative row the share of positives above it, ties counted
   * half; in row order.
   */
  readonly values: Float64Array;
}

/**
 * DeLong's placement values from one sweep over rows in order of score: linear after the sort, equal to the midrank form of Sun
 * and Xu, IEEE Signal Processing Letters 21 (2014). Both classes are present.
 */
export function placements({ scores, labels, order, positiveCount }: ScoredRows): Placements {
  const values = new Float64Array(scores.length);
  const negativeCount = scores.length - positiveCount;
  let positivesBelow = 0;
  let negativesBelow = 0;
  let concordantPairs = 0;
  for (let start = 0, end: number; start < order.length; start = end) {
    const score = scores[order[start]!]!;
    let positives = 0;
    for (end = start; end < order.length && scores[order[end]!] === score; end++) positives += labels[order[end]!]!;
    const negatives = end - start - positives;
    const ofPositive = (negativesBelow + negatives / 2) / negativeCount;
    const ofNegative = (positiveCount - positivesBelow - positives / 2) / positiveCount;
    for (let position = start; position < end; position++) {
      const row = order[position]!;
      values[row] = labels[row] === 1 ? ofPositive : ofNegative;
    }
    // Half pairs are exact in a double up to 2^52 of them, so the area has no rounding before the division.
    concordantPairs += positives * (negativesBelow + negatives / 2);
    positivesBelow += positives;
    negativesBelow += negatives;
  }
  return { areaUnderCurve: concordantPairs / positiveCount / negativeCount, values };
}

/**
 * DeLong's variance of a mean of placements (or of a difference of placements of two models): the sample variance within each class
 * over the class size, summed. Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988).
 *
 * @returns NaN when a class has fewer than two rows
 */
export function placementVariance(values: Float64Array, labels: Uint8Array): number {
  const count = [0, 0];
  const sum = [0, 0];
  for (let row = 0; row < values.length; row++) {
    count[labels[row]!]!++;
    sum[labels[row]!]! += values[row]!;
  }
  const mean = [sum[0]! / count[0]!, sum[1]! / count[1]!];
  const squares = [0, 0];
  for (let row = 0; row < values.length; row++) squares[labels[row]!]! += (values[row]! - mean[labels[row]!]!) ** 2;
  if (count[0]! < 2 || count[1]! < 2) return Number.NaN;
  return squares[0]! / (count[0]! - 1) / count[0]! + squares[1]! / (count[1]! - 1) / count[1]!;
}
