import { dkwHalfWidth } from "../../stats/dkw-half-width.ts";
import { valueCount } from "../column-counts.ts";
import type { Comparison, DriftTest } from "./drift-test.ts";

/**
 * Largest difference of the two distribution functions at the profile's edges: the two-sample Kolmogorov-Smirnov statistic of the
 * binned values, below the exact one by at most a bin's mass. Nulls are not in it. Checked against SciPy's `ks_2samp` on
 * values at the edges.
 */
export const kolmogorovSmirnov: DriftTest = {
  name: "kolmogorov-smirnov",
  effect: "largest difference of the distribution functions at the edges",
  bounds: "Dvoretzky-Kiefer-Wolfowitz bands around both, valid at every sample size",
  unit: "share of rows",
  range: [0, 1],
  kinds: ["number"],
  defaultMargin: 0.1,
  rowCount: valueCount,
  measure: largestDifference,
  interval: (counts, alpha) => {
    const effect = largestDifference(counts);
    const width = halfWidth(counts, alpha);
    return [Math.max(0, effect - width), Math.min(1, effect + width)];
  },
  detectable: (counts, margin, alpha) => margin + halfWidth(counts, alpha),
  facts: ({ reference }) => ({ bins: reference.counts.length }),
};

function halfWidth({ reference, current }: Comparison, alpha: number): number {
  return dkwHalfWidth(valueCount(reference), alpha / 2) + dkwHalfWidth(valueCount(current), alpha / 2);
}

function largestDifference({ reference, current }: Comparison): number {
  const referenceTotal = valueCount(reference);
  const currentTotal = valueCount(current);
  let referenceSum = 0;
  let currentSum = 0;
  let largest = 0;
  for (const [bin, count] of reference.counts.entries()) {
    referenceSum += count;
    currentSum += current.counts[bin] ?? 0;
    largest = Math.max(largest, Math.abs(referenceSum / referenceTotal - currentSum / currentTotal));
  }
  return largest;
}
