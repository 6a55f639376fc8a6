import type { ScoredRows } from "./scored-rows.ts";

/**
 * Bin of a score among `binCount` equal-width bins of [0, 1]: right-closed, the first one closed on both sides, edges as
 * `numpy.linspace` rounds them, so that bins equal those of scikit-learn's `calibration_curve`.
 */
export function calibrationBin(score: number, binCount: number): number {
  const step = 1 / binCount;
  let bin = Math.min(binCount - 1, Math.floor(score * binCount));
  while (bin > 0 && score <= bin * step) bin--;
  while (bin < binCount - 1 && score > (bin + 1) * step) bin++;
  return bin;
}

export interface CalibrationBins {
  readonly counts: Float64Array;
  readonly positives: Float64Array;
  readonly scoreSums: Float64Array;
  /** Sum of (score - label)² a bin. */
  readonly squaredErrors: Float64Array;
}

/**
 * Most that the noise of the bins can add to the expected calibration error: the sum of their mean absolute noises, reached
 * by a perfectly calibrated model. At least one row.
 */
export function largestBias(rows: ScoredRows, binCount: number): number {
  let bias = 0;
  for (const squares of countCalibrationBins(rows, binCount).squaredErrors) bias += Math.sqrt((2 / Math.PI) * squares);
  return bias / rows.labels.length;
}

export function countCalibrationBins({ scores, labels }: ScoredRows, binCount: number): CalibrationBins {
  const bins = {
    counts: new Float64Array(binCount),
    positives: new Float64Array(binCount),
    scoreSums: new Float64Array(binCount),
    squaredErrors: new Float64Array(binCount),
  };
  for (let row = 0; row < scores.length; row++) {
    const score = scores[row]!;
    const bin = calibrationBin(score, binCount);
    bins.counts[bin]!++;
    bins.positives[bin]! += labels[row]!;
    bins.scoreSums[bin]! += score;
    bins.squaredErrors[bin]! += (score - labels[row]!) ** 2;
  }
  return bins;
}
