import { valueCount } from "../column-counts.ts";
import type { Comparison, DriftTest } from "./drift-test.ts";
import { rateDifference, rateDifferenceBounds, type RatePair, smallestProvableRise } from "./rate-difference.ts";

/**
 * Rise of the share of values that the profile does not list. A profile lists every value of the reference up to its limit, so
 * these are new words, or words too rare to be listed; fewer of them than in the reference is no drift.
 */
export const newCategoryRate: DriftTest = {
  name: "new-category-rate",
  effect: "rise of the share of values that the profile does not list",
  bounds: "Chernoff bounds of both shares, valid at every sample size",
  unit: "share of rows with a value",
  range: [-1, 1],
  kinds: ["category"],
  defaultMargin: 0.05,
  rowCount: valueCount,
  measure: (counts) => rateDifference(others(counts)),
  interval: (counts, alpha) => rateDifferenceBounds(others(counts), alpha),
  detectable: (counts, margin, alpha) => smallestProvableRise(others(counts), margin, alpha),
  facts: ({ reference }) => ({ listedValues: reference.counts.length - 1 }),
};

function others({ reference, current }: Comparison): RatePair {
  return {
    referenceEvents: reference.counts.at(-1) ?? 0,
    referenceRows: valueCount(reference),
    currentEvents: current.counts.at(-1) ?? 0,
    currentRows: valueCount(current),
  };
}
