import type { CanaryHealth, RolloutLook } from "../../contracts/rollout.ts";
import { sentence } from "./reasons.ts";
import { judgeTripwires } from "./tripwires.ts";

/**
 * A look after the promotion, while the former champion is kept warm. Nothing serves beside the new champion, so there is nothing to
 * compare it with: only the tripwires bring the former one back, and people.
 * @param step the last one of the plan
 */
export function judgeObservation({
  step,
  health,
}: {
  readonly step: number;
  readonly health: CanaryHealth;
}): RolloutLook {
  const tripped = judgeTripwires(health);
  const { requests, errors } = health.newest;
  return {
    verdict: tripped.length > 0 ? "rollback" : "hold",
    reason:
      tripped.length > 0
        ? sentence(["after its promotion", ...tripped])
        : `promoted and observed: ${errors} errors in its newest ${requests} requests`,
    phase: "observe",
    step,
    stepDone: false,
    guardrails: [],
    sampleRatioEvidence: 1,
    counts: [],
    health,
  };
}
