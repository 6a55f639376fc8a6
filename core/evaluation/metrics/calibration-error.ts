import { criticalZ } from "../../stats/critical-z.ts";
import { countCalibrationBins, largestBias } from "../calibration-bins.ts";
import { calibrationDifference } from "../calibration-difference.ts";
import { createEstimate, createUndefined } from "../estimate.ts";
import type { Metric } from "../metric.ts";

/**
 * Expected calibration error: mean over rows of |mean score - positive share| of the row's equal-width bin.
 *
 * Biased upward, most for a perfectly calibrated model on few rows (about .026 on 1000 rows with 15 bins): the noise of
 * every bin counts as error (Roelofs et al., arXiv 2012.08668). The interval is for the error without noise and needs no
 * resampling: each bin's gap is a mean with a known standard error, the bias is at least 0 and at most the sum of their mean
 * absolute noises, and the spread of a sum of absolute values is at most that of the gaps. So low = value - bias - z·spread and
 * high = value + z·spread cover at least as often as stated.
 */
export const calibrationError: Metric = {
  name: "calibration-error",
  direction: "lower",
  unit: "probability",
  range: [0, 1],
  measure(rows, { calibrationBins, confidence }) {
    const rowCount = rows.labels.length;
    if (rowCount === 0) return createUndefined("no rows", 0);
    const { positives, scoreSums, squaredErrors } = countCalibrationBins(rows, calibrationBins);
    const z = criticalZ(confidence);
    let error = 0;
    const bias = largestBias(rows, calibrationBins);
    let squares = 0;
    for (let bin = 0; bin < calibrationBins; bin++) {
      error += Math.abs(scoreSums[bin]! - positives[bin]!) / rowCount;
      squares += squaredErrors[bin]!;
    }
    // At least z² squares: rows without any error bound the error of the next as Wilson's interval does, not at 0.
    const halfWidth = (z * Math.sqrt(Math.max(squares, z * z))) / rowCount;
    return createEstimate({
      estimate: error,
      interval: [error - bias - halfWidth, error + halfWidth],
      range: [0, 1],
      confidence,
      sampleCount: rowCount,
      method: {
        interval: "normal with bounded bias",
        bins: calibrationBins,
        binning: "equal width",
        largestBias: bias,
      },
    });
  },
  compare: calibrationDifference,
};
