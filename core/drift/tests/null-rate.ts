import { rowCount } from "../column-counts.ts";
import type { Comparison, DriftTest } from "./drift-test.ts";
import { rateDifference, rateDifferenceBounds, type RatePair, smallestProvableRise } from "./rate-difference.ts";

/**
 * Difference of the shares of nulls, in either direction: nulls that vanish were filled by somebody, which is a fault as much as
 * nulls that appear.
 */
export const nullRate: DriftTest = {
  name: "null-rate",
  effect: "absolute difference of the shares of nulls",
  bounds: "Chernoff bounds of both shares, valid at every sample size",
  unit: "share of rows",
  range: [0, 1],
  kinds: ["number", "category"],
  defaultMargin: 0.05,
  rowCount,
  measure: (counts) => Math.abs(rateDifference(nulls(counts))),
  interval: (counts, alpha) => {
    const [low, high] = rateDifferenceBounds(nulls(counts), alpha);
    return [Math.max(0, low, -high), Math.max(-low, high)];
  },
  detectable: (counts, margin, alpha) => smallestProvableRise(nulls(counts), margin, alpha),
  facts: () => ({}),
};

function nulls({ reference, current }: Comparison): RatePair {
  return {
    referenceEvents: reference.nullCount,
    referenceRows: rowCount(reference),
    currentEvents: current.nullCount,
    currentRows: rowCount(current),
  };
}
