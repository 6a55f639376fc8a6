import { BASIS_POINTS, ROLLOUT_ALARMS, type RolloutVerdict } from "../../contracts/names.ts";
import {
  type CanaryHealth,
  type EpochCounts,
  type GuardrailLook,
  type GuardrailSettings,
  guardrailSchema,
  type RolloutLook,
  type RolloutPlan,
} from "../../contracts/rollout.ts";
import { SHADOW_TESTS } from "./judge-shadow.ts";
import { assignedShare } from "./assigned-share.ts";
import { guardrailRule } from "./guardrails.ts";
import { rateRatio } from "./rate-ratio.ts";
import {
  describeHarm,
  describeMissing,
  describeOpen,
  describeSafe,
  describeSplit,
  describeStepDone,
  sentence,
} from "./reasons.ts";
import { judgeTripwires } from "./tripwires.ts";
import { SAMPLE_RATIO_BOUND, sampleRatioEvidence } from "./sample-ratio-evidence.ts";

export interface RolloutState {
  readonly plan: RolloutPlan;
  /** Index into `plan.steps` of the step in force. */
  readonly step: number;
  /** Cumulative counts of every epoch of this rollout, none left out: leaving one out would refresh the canary's luck. */
  readonly counts: readonly EpochCounts[];
  /** No champion to compare with: only the absolute level of errors is judged, and there is nothing to ramp against. */
  readonly firstDeployment: boolean;
  /** Observed at this moment; without it the newest epoch's counts stand for the newest requests. */
  readonly health?: CanaryHealth | undefined;
}

/**
 * One look at a rollout; look as often as you like. In this order: rollback when any of K guardrails has harm evidence of
 * K / falseRollbackRate (two more tests where the plan has a shadow phase), or when a tripwire is met (judgeTripwires); hold while requests, or
 * labels where a guardrail uses them, are not split as intended (the evidence assumes the split; that is an alarm somebody is paged about), while data is missing, or while safety is not shown; promote when at the
 * last step every guardrail has safety evidence of 1 / falsePromotionRate. Harm wins over safety and over a wrong split: going
 * back is the safe side. No data holds, it neither promotes nor rolls back.
 *
 * A healthy canary is rolled back with probability at most falseRollbackRate over the whole rollout (Ville and Bonferroni), one
 * worse than a margin is promoted with at most falsePromotionRate (every guardrail must reject, so no correction).
 * Counted are units, a routing key once an epoch: what is assigned independently.
 * A first deployment whose plan names no error-rate guardrail is judged by the default one: nothing is promoted on no evidence.
 * @throws RangeError when `step` is not an index of `plan.steps`
 */
export function judgeRollout({ plan, step, counts: unordered, firstDeployment, health }: RolloutState): RolloutLook {
  const share = plan.steps[step];
  if (share === undefined) throw new RangeError(`rollout step ${step}: the plan has ${plan.steps.length} steps`);
  const counts = unordered.toSorted((a, b) => a.epoch - b.epoch || (a.keptAtShare ?? -1) - (b.keptAtShare ?? -1));
  const guardrails = lookAtGuardrails(plan, counts, firstDeployment);
  const splits = lookAtSplits(plan, counts, firstDeployment);

  const stepRequests = requestsOfStep(counts, firstDeployment ? null : share);
  const enough = stepRequests >= plan.minimumRequestsPerStep;
  const alarms = ROLLOUT_ALARMS.filter((alarm) => (splits[alarm] ?? 1) >= SAMPLE_RATIO_BOUND);
  const labelRatioEvidence = splits["label-split"];
  const decide = (verdict: RolloutVerdict, reason: string): RolloutLook => ({
    verdict,
    reason,
    step,
    stepDone: enough && alarms.length === 0 && verdict !== "rollback",
    guardrails,
    sampleRatioEvidence: splits["request-split"],
    ...(labelRatioEvidence !== undefined && { labelRatioEvidence }),
    ...(alarms.length > 0 && { alarms }),
    counts,
    ...(health && { health }),
  });

  const besides = alarms.map((alarm) => describeSplit(alarm, splits[alarm] ?? 1));
  const harmful = guardrails.filter((look) => look.harmEvidence >= look.harmBound);
  if (harmful.length > 0) return decide("rollback", sentence([...harmful.map(describeHarm), ...besides]));
  const tripped = judgeTripwires(health ?? { newest: latestEpoch(counts) });
  if (tripped.length > 0) return decide("rollback", sentence([...tripped, ...besides]));
  if (alarms.length > 0)
    return decide("hold", sentence([...besides, "the evidence rests on that split and is not used"]));
  if (!enough) return decide("hold", sentence([describeMissing(stepRequests, plan, step)]));
  if (!firstDeployment && step < plan.steps.length - 1)
    return decide("hold", sentence([describeStepDone(stepRequests, plan, step)]));
  const open = guardrails.filter((look) => look.safetyEvidence < look.safetyBound);
  if (open.length > 0) return decide("hold", sentence(open.map(describeOpen)));
  return decide("promote", sentence(guardrails.map(describeSafe)));
}

/** e-values against "split as intended", of requests and, where a guardrail uses them, of labels. */
function lookAtSplits(
  plan: RolloutPlan,
  counts: readonly EpochCounts[],
  firstDeployment: boolean,
): { readonly "request-split": number; readonly "label-split"?: number } {
  if (firstDeployment) return { "request-split": 1 };
  const evidenceOf = (of: "requests" | "labelled") =>
    sampleRatioEvidence(counts.map((one) => ({ epoch: one.epoch, canaryShare: assignedShare(one), events: one[of] })));
  const labels = plan.guardrails.some(({ name }) => guardrailRule(name).usesLabels);
  return { "request-split": evidenceOf("requests"), ...(labels && { "label-split": evidenceOf("labelled") }) };
}

/** Requests and errors of the canary in the newest epoch. */
function latestEpoch(counts: readonly EpochCounts[]): CanaryHealth["newest"] {
  const latest = counts.filter(({ epoch }) => epoch === counts.at(-1)?.epoch);
  const total = (of: "requests" | "errors") => latest.reduce((sum, one) => sum + one[of].canary, 0);
  return { requests: total("requests"), errors: total("errors") };
}

/** Canary requests under the step's share, in all its epochs: a pause splits a step into two. */
function requestsOfStep(counts: readonly EpochCounts[], share: number | null): number {
  const epochs =
    share === null
      ? counts.filter(({ epoch }) => epoch === counts.at(-1)?.epoch)
      : counts.filter((one) => Math.round(one.canaryShare * BASIS_POINTS) === share);
  return epochs.reduce((sum, { requests }) => sum + requests.canary, 0);
}

function lookAtGuardrails(
  plan: RolloutPlan,
  counts: readonly EpochCounts[],
  firstDeployment: boolean,
): GuardrailLook[] {
  let settings = plan.guardrails.filter(({ name }) => !(firstDeployment && guardrailRule(name).needsChampion));
  if (settings.length === 0) settings = [guardrailSchema.parse({ name: "error-rate" })];
  // The shadow phase spends from the same budget.
  const tests = settings.length + (plan.shadow ? SHADOW_TESTS.length : 0);
  const harmBound = tests / plan.falseRollbackRate;
  const safetyBound = 1 / plan.falsePromotionRate;
  return settings.map((one) => lookAt(one, counts, { harmBound, safetyBound, hasChampion: !firstDeployment }));
}

function lookAt(
  settings: GuardrailSettings,
  counts: readonly EpochCounts[],
  { harmBound, safetyBound, hasChampion }: { harmBound: number; safetyBound: number; hasChampion: boolean },
): GuardrailLook {
  const rule = guardrailRule(settings.name);
  const tallies = rule.tally(counts);
  const { harm, safety } = rule.judge(settings, counts, hasChampion);
  const total = (arm: "canary" | "champion", of: "events" | "trials") =>
    tallies.reduce((sum, tally) => sum + tally[of][arm], 0);
  return {
    name: settings.name,
    canaryEvents: total("canary", "events"),
    canaryTrials: total("canary", "trials"),
    championEvents: total("champion", "events"),
    championTrials: total("champion", "trials"),
    ratio: rateRatio(tallies),
    harmEvidence: harm,
    harmBound,
    safetyEvidence: safety,
    safetyBound,
  };
}
