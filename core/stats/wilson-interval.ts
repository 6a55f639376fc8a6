import { criticalZ } from "./critical-z.ts";

/**
 * Wilson's score interval [low, high] for a share, within [0, 1] and around `successCount / trialCount`.
 *
 * Unlike estimate ± z·se it has a width at 0 and at 1 and keeps its coverage at small counts. `successCount` may be a
 * fraction (ties counted half); `trialCount` is positive; `confidence` in (0, 1). Source: Wilson, JASA 22 (1927), without continuity
 * correction. Checked against SciPy's `binomtest(...).proportion_ci(method="wilson")`.
 *
 * @throws RangeError when the counts are no counts: a share of nothing has no interval
 */
export function wilsonInterval(successCount: number, trialCount: number, confidence: number): [number, number] {
  if (!(trialCount > 0 && successCount >= 0 && successCount <= trialCount)) {
    throw new RangeError(`${successCount} successes of ${trialCount} trials`);
  }
  const z = criticalZ(confidence);
  const share = successCount / trialCount;
  const shrink = 1 + (z * z) / trialCount;
  const centre = (share + (z * z) / (2 * trialCount)) / shrink;
  const halfWidth =
    (z / shrink) * Math.sqrt((share * (1 - share)) / trialCount + (z * z) / (4 * trialCount * trialCount));
  // At 0 and 1 a bound equals the share exactly; rounding would put it a hair beside.
  const low = successCount === 0 ? 0 : Math.min(share, Math.max(0, centre - halfWidth));
  const high = successCount === trialCount ? 1 : Math.max(share, Math.min(1, centre + halfWidth));
  return [low, high];
}
