import type { Guardrail } from "../../contracts/names.ts";
import type {
  CanaryHealth,
  EpochCounts,
  GuardrailLook,
  GuardrailSettings,
  RolloutLook,
  RolloutPlan,
} from "../../contracts/rollout.ts";
import { levelAboveEvidence, levelBelowEvidence } from "./rate-level-evidence.ts";
import { describeHarm, sentence } from "./reasons.ts";
import { judgeTripwires } from "./tripwires.ts";

/** What is counted, and the rate of it that was promised when it was promoted; null for what is judged by a comparison alone. */
const LEVELS: {
  readonly [Name in Guardrail]: (
    settings: Extract<GuardrailSettings, { name: Name }>,
  ) => { readonly of: "errors" | "slow"; readonly level: number } | null;
} = {
  "error-rate": ({ atMost }) => ({ of: "errors", level: atMost }),
  // Slow is what the former champion was in `1 - quantile` of its requests, before the canary had any.
  latency: ({ quantile, maximumRatio }) => ({ of: "slow", level: (1 - quantile) * maximumRatio }),
  "wrong-label-rate": () => null,
  "prediction-shift": () => null,
};

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
    const found = LEVELS[settings.name](settings as never);
    return found ? [{ name: settings.name, ...found }] : [];
  });
  return held.map(({ name, of, level }) => {
    const trials = counts.map((one) => ({ epoch: one.epoch, events: one[of].canary, trials: one.requests.canary }));
    const sum = (key: "events" | "trials") => trials.reduce((total, one) => total + one[key], 0);
    return {
      name,
      canaryEvents: sum("events"),
      canaryTrials: sum("trials"),
      championEvents: 0,
      championTrials: 0,
      ratio: null,
      harmEvidence: levelAboveEvidence(trials, level),
      harmBound: held.length / plan.falseRollbackRate,
      safetyEvidence: levelBelowEvidence(trials, level),
      safetyBound: 1 / plan.falsePromotionRate,
    };
  });
}
