import type { ArmCounts } from "../../contracts/rollout.ts";
import type { EventSplit } from "./rate-ratio-evidence.ts";

/** Events and trials of one guardrail in one epoch. */
export interface GuardrailTally extends EventSplit {
  readonly trials: ArmCounts;
}

/**
 * Rate of events in the canary over the rate in the champion, compared within each epoch and pooled after Mantel and Haenszel
 * (1959), because a ratio of pooled rates is wrong when the base rate drifts along the ramp. For people to read; no verdict
 * uses it.
 * @returns 0 or more; null while the champion shows no event next to canary trials
 */
export function rateRatio(tallies: readonly GuardrailTally[]): number | null {
  let above = 0;
  let below = 0;
  for (const { events, trials } of tallies) {
    const total = trials.canary + trials.champion;
    if (total === 0) continue;
    above += (events.canary * trials.champion) / total;
    below += (events.champion * trials.canary) / total;
  }
  return below === 0 ? null : above / below;
}
