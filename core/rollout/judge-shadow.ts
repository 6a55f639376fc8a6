import type { CanaryHealth, RolloutLook, RolloutPlan, ShadowCounts, ShadowLook } from "../../contracts/rollout.ts";
import { levelAboveEvidence, levelBelowEvidence } from "./rate-level-evidence.ts";
import { sentence } from "./reasons.ts";
import { judgeTripwires } from "./tripwires.ts";

/** What is judged of mirrored requests, each against a level of its own; part of the plan's false-rollback budget. */
export const SHADOW_TESTS = ["disagreement", "errors"] as const;
/** Errors of mirrored requests, where the plan has no error-rate guardrail. */
const DEFAULT_ERROR_LEVEL = 0.01;

/**
 * One look at mirrored requests, whose answers nobody gets. Each is a pair of answers to the same input, so disagreement is a rate of its own,
 * and the champion's answer was no error: what the candidate fails, it alone fails. Harm rolls back, without a client having seen it. The
 * ramp begins (`stepDone`) once there are `minimumRequests` and both rates have safety evidence. None of it counts as evidence of the ramp.
 * What was shed is told and not judged: it is shed by load, before anybody knows the answers.
 */
export function judgeShadow({
  plan,
  shadow,
  counts,
  health,
}: {
  readonly plan: RolloutPlan;
  readonly shadow: NonNullable<RolloutPlan["shadow"]>;
  /** Of all gateways and epochs together. */
  readonly counts: ShadowCounts;
  readonly health: CanaryHealth;
}): RolloutLook {
  const harmBound = (plan.guardrails.length + SHADOW_TESTS.length) / plan.falseRollbackRate;
  const safetyBound = 1 / plan.falsePromotionRate;
  const errorLevel = plan.guardrails.find((one) => one.name === "error-rate")?.atMost ?? DEFAULT_ERROR_LEVEL;
  const judged: ShadowLook["judged"] = SHADOW_TESTS.map((test) => {
    const [events, trials, atMost] =
      test === "disagreement"
        ? [counts.disagreed, counts.compared, shadow.maximumDisagreement]
        : [counts.errors, counts.compared + counts.errors, errorLevel];
    const found = [{ epoch: 0, events, trials }];
    return {
      name: test,
      events,
      trials,
      atMost,
      harmEvidence: levelAboveEvidence(found, atMost),
      harmBound,
      safetyEvidence: levelBelowEvidence(found, atMost),
      safetyBound,
    };
  });
  const look = (verdict: "rollback" | "hold", stepDone: boolean, clauses: readonly string[]): RolloutLook => ({
    verdict,
    reason: sentence(["shadow", ...clauses]),
    phase: "shadow",
    step: 0,
    stepDone,
    guardrails: [],
    sampleRatioEvidence: 1,
    counts: [],
    shadow: { counts, judged },
    health,
  });
  const harmful = judged.filter((one) => one.harmEvidence >= one.harmBound);
  if (harmful.length > 0)
    return look(
      "rollback",
      false,
      harmful.map((one) => `more ${told(one)}`),
    );
  const tripped = judgeTripwires(health);
  if (tripped.length > 0) return look("rollback", false, tripped);
  if (counts.compared + counts.errors < shadow.minimumRequests)
    return look("hold", false, [
      `${counts.compared + counts.errors} of ${shadow.minimumRequests} mirrored requests answered`,
    ]);
  const open = judged.filter((one) => one.safetyEvidence < one.safetyBound);
  if (open.length > 0)
    return look(
      "hold",
      false,
      open.map((one) => `not shown yet: ${told(one)}`),
    );
  return look("hold", true, [...judged.map(told), "ready for live traffic"]);
}

const told = ({ name, events, trials, atMost }: ShadowLook["judged"][number]): string =>
  `${name} in ${events} of ${trials} mirrored requests, allowed ${atMost * 100} %`;
