import { binomialLogRatio, mixEvidence, withFreshStarts } from "./evidence.ts";
import { canaryEventShare, type EventSplit } from "./rate-ratio-evidence.ts";

/** Alarm of the sample ratio: about what p < 0.001 is elsewhere. Above it the split is not the one the evidence assumes. */
export const SAMPLE_RATIO_BOUND = 1000;

/** Odds of the canary over the intended odds, both directions: from a small leak to an arm that is nearly shut. */
const SKEWS = [0.1, 0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 2, 10] as const;

/**
 * Two-sided e-value against "each request went to the canary with exactly its share": lost rows, a gateway on an old
 * epoch, shedding that hits one arm. Requests are the events here, or labels that arrived: they come for both arms alike, or a comparison of
 * labels is of no worth. An epoch whose share is 0 or 1 has nothing to compare.
 * @returns in [0, EVIDENCE_CAP]; 1 without requests; alarm at SAMPLE_RATIO_BOUND
 */
export function sampleRatioEvidence(requests: readonly EventSplit[]): number {
  const weight = 1 / SKEWS.length;
  return withFreshStarts(requests, (part) =>
    mixEvidence(SKEWS.map((skew) => ({ weight, logRatio: skewLogRatio(part, skew) }))),
  );
}

function skewLogRatio(requests: readonly EventSplit[], skew: number): number {
  let sum = 0;
  for (const { canaryShare, events } of requests) {
    if (canaryShare <= 0 || canaryShare >= 1) continue;
    sum += binomialLogRatio(events.canary, events.champion, canaryEventShare(canaryShare, skew), canaryShare);
  }
  return sum;
}
