import type { CanaryHealth, EpochCounts, GuardrailLook, RolloutLook, RolloutPlan } from "../../contracts/rollout.ts";
import { guardrailRule } from "./guardrails.ts";
import { levelAboveEvidence, levelBelowEvidence } from "./rate-level-evidence.ts";
import { describeHarm, sentence } from "./reasons.ts";
import { judgeTripwires } from "./tripwires.ts";

/**
 * A look after the promotion, while the former champion is kept warm. Nothing serves beside the new champion, so there is nothing to
 * compare it with at the same time: its errors and slow requests are held against the levels it was promoted under, which were fixed before the canary
 * started. Harm evidence of K / falseRollbackRate for the K guardrails that have a level brings the former champion back, and so do the tripwires; a new
 * champion within its levels is taken back with probability at most falseRollbackRate, beside that of its ramp. An outage that is nobody's fault looks the same.
 * @param step the last one of the plan
 * @param counts of the new champion alone, as the canary's; looks of earlier releases have none, and judge nothing by them
 */
export function judgeObservation({
  plan,
  step,
  counts,
  health,
}: {
  readonly plan: RolloutPlan;
  readonly step: number;
  readonly counts: readonly EpochCounts[];
  readonly health: CanaryHealth;
}): RolloutLook {
  const guardrails = counts.length === 0 ? [] : lookAtLevels(plan, counts);
  const tripped = judgeTripwires(health);
  const harmful = guardrails.filter((look) => look.harmEvidence >= look.harmBound);
  const back = [...harmful.map((look) => describeHarm(look)), ...tripped];
  const { requests, errors } = health.newest;
  return {
    verdict: back.length > 0 ? "rollback" : "hold",
    reason:
      back.length > 0
        ? sentence(["after its promotion", ...back])
        : `promoted and observed: ${errors} errors in its newest ${requests} requests`,
    phase: "observe",
    step,
    stepDone: false,
    guardrails,
    sampleRatioEvidence: 1,
    counts: [...counts],
    health,
  };
}

function lookAtLevels(plan: RolloutPlan, counts: readonly EpochCounts[]): GuardrailLook[] {
  const held = plan.guardrails.flatMap((settings) => {
    const rule = guardrailRule(settings.name);
    const level = rule.level(settings);
    return level === null ? [] : [{ rule, level }];
  });
  return held.map(({ rule, level }) => {
    const found = rule.tally(counts).map(({ epoch, events, trials }) => ({
      epoch,
      events: events.canary,
      trials: trials.canary,
    }));
    return {
      name: rule.name,
      canaryEvents: found.reduce((sum, { events }) => sum + events, 0),
      canaryTrials: found.reduce((sum, { trials }) => sum + trials, 0),
      championEvents: 0,
      championTrials: 0,
      ratio: null,
      harmEvidence: levelAboveEvidence(found, level),
      harmBound: held.length / plan.falseRollbackRate,
      safetyEvidence: levelBelowEvidence(found, level),
      safetyBound: 1 / plan.falsePromotionRate,
    };
  });
}
