import type { EpochCounts } from "../../contracts/rollout.ts";

/**
 * The chance with which the keys of one entry went to the canary. Assignment is sticky: raising the share from `kept` to `share` only adds
 * keys, so one that the champion had at `kept` is the canary's now with probability (share - kept) / (1 - kept); one that was the canary's
 * already tells nothing new and is not counted. At the same or a lower share nothing is left to chance: 0.
 * @returns in [0, 1]
 */
export function assignedShare({
  canaryShare,
  keptAtShare = 0,
}: Pick<EpochCounts, "canaryShare" | "keptAtShare">): number {
  return keptAtShare >= 1 ? 0 : Math.max(0, (canaryShare - keptAtShare) / (1 - keptAtShare));
}
