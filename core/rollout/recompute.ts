import type { RolloutStatus, RolloutVerdict } from "../../contracts/names.ts";
import type { RolloutLook, RolloutPlan } from "../../contracts/rollout.ts";
import { judgeObservation } from "./judge-observation.ts";
import { judgeShadow } from "./judge-shadow.ts";
import { judgeRollout } from "./judge.ts";

/** A rollout as it is on record, with everything its looks were judged by. */
export interface RecordedRollout {
  readonly plan: RolloutPlan;
  /** As recorded, as the stored plan hashes now, and as the audit trail has it; null without an audit event. */
  readonly planDigest: string;
  readonly storedPlanDigest: string;
  readonly auditedPlanDigest: string | null;
  readonly latencyThresholdMs: number | null;
  readonly firstDeployment: boolean;
  readonly status: RolloutStatus;
  readonly outcome: string | null;
  readonly looks: readonly { readonly number: number; readonly verdict: RolloutVerdict; readonly look: RolloutLook }[];
  /** Who went past the evidence, oldest first; `canaryShare` is null for a promotion. */
  readonly overrides?: readonly {
    readonly canaryShare: number | null;
    readonly askedBy: string;
    readonly reason: string;
  }[];
}

/** One recorded field that is not what comes out now. */
export interface Difference {
  readonly field: string;
  readonly recorded: unknown;
  readonly recomputed: unknown;
}

export interface RecomputedLook {
  readonly number: number;
  readonly recorded: RolloutVerdict;
  readonly recomputed: RolloutVerdict;
  readonly matches: boolean;
  readonly differences: readonly Difference[];
}

export interface Recomputation {
  /** True when the plan, every look and the end are what the records lead to. */
  readonly matches: boolean;
  readonly planDifferences: readonly Difference[];
  readonly looks: readonly RecomputedLook[];
  /** What the end rests on, in one sentence, and whether it may. */
  readonly decision: { readonly matches: boolean; readonly basis: string };
}

/** Evidence is a product of many factors; another processor may round its logarithms otherwise. */
const RELATIVE_TOLERANCE = 1e-9;

/**
 * Judges every recorded look again from its recorded counts. Sentences are not compared: a later release may say the same in other words.
 * A promotion matches only when the last look, recomputed, promotes, when there was no champion to compare with, or when an override is
 * on record for it, which is told; giving traffic back to the champion needs no evidence.
 */
export function recomputeRollout(recorded: RecordedRollout): Recomputation {
  const planDifferences = differences({
    planDigest: [recorded.planDigest, recorded.storedPlanDigest],
    ...(recorded.auditedPlanDigest !== null && {
      auditedPlanDigest: [recorded.auditedPlanDigest, recorded.planDigest],
    }),
  });
  const looks = recorded.looks.map((one, index) => recomputeLook(recorded, one, index + 1));
  // What comes after the promotion is no reason for it.
  const lastOfRamp = looks.findLast((_, index) => recorded.looks[index]?.look.phase === undefined);
  const decision = recomputeEnd(recorded, lastOfRamp);
  return {
    matches: planDifferences.length === 0 && decision.matches && looks.every(({ matches }) => matches),
    planDifferences,
    looks,
    decision,
  };
}

function recomputeLook(
  recorded: RecordedRollout,
  { number, verdict, look }: RecordedRollout["looks"][number],
  expectedNumber: number,
): RecomputedLook {
  const { plan, planDigest, latencyThresholdMs, firstDeployment } = recorded;
  // A step the plan does not have cannot be judged; nothing promotes by it.
  const known = look.step >= 0 && look.step < plan.steps.length;
  const again = known ? judgeAgain(plan, look, firstDeployment) : null;
  const found = [
    ...differences({
      // A look that is missing shows as a gap.
      number: [number, expectedNumber],
      verdict: [verdict, look.verdict],
      step: [look.step, known ? look.step : null],
      ...(look.basis && { basis: [look.basis, { planDigest, latencyThresholdMs, firstDeployment }] }),
    }),
    ...(again
      ? compare("look", judged(look, look), judged(again, look))
      : known
        ? differences({ phase: [look.phase, null] })
        : []),
  ];
  return {
    number,
    recorded: verdict,
    recomputed: again?.verdict ?? "hold",
    matches: found.length === 0,
    differences: found,
  };
}

/** Null for a look that its own plan or record leaves no judge for. */
function judgeAgain(plan: RolloutPlan, look: RolloutLook, firstDeployment: boolean): RolloutLook | null {
  const { step, counts, health, shadow } = look;
  if (look.phase === undefined) return judgeRollout({ plan, step, counts, firstDeployment, health });
  if (!health) return null;
  if (look.phase === "observe") return judgeObservation({ plan, step, counts, health });
  return plan.shadow && shadow ? judgeShadow({ plan, shadow: plan.shadow, counts: shadow.counts, health }) : null;
}

/** What the judge found, without its sentence and without what it was given. A look of the first release knows of no label split. */
function judged(found: RolloutLook, { basis }: RolloutLook) {
  const { verdict, step, stepDone, guardrails, sampleRatioEvidence, labelRatioEvidence, alarms, shadow } = found;
  const first = { ...(shadow && { shadow }), verdict, step, stepDone, guardrails, sampleRatioEvidence };
  return basis ? { ...first, labelRatioEvidence, alarms } : first;
}

function recomputeEnd(
  { status, outcome, firstDeployment, looks, overrides = [] }: RecordedRollout,
  last: RecomputedLook | undefined,
): Recomputation["decision"] {
  if (status === "running") return { matches: true, basis: "it has not ended" };
  if (status !== "promoted") return { matches: true, basis: `${status}: ${outcome ?? "no reason on record"}` };
  if (firstDeployment && looks.length === 0)
    return { matches: true, basis: "promoted without a look: there was no champion to compare with" };
  const override = overrides.findLast(({ canaryShare }) => canaryShare === null);
  if (override && last?.recomputed !== "promote") {
    const evidence = last ? `look ${last.number}, recomputed, says ${last.recomputed}` : "no look was taken";
    return { matches: true, basis: `promoted by override of ${override.askedBy}: ${override.reason}; ${evidence}` };
  }
  if (!last) return { matches: false, basis: "promoted, and no look is on record" };
  const matches = last.recomputed === "promote";
  return { matches, basis: `promoted; look ${last.number}, recomputed, says ${last.recomputed}` };
}

function differences(pairs: Readonly<Record<string, readonly [recorded: unknown, recomputed: unknown]>>): Difference[] {
  return Object.entries(pairs).flatMap(([field, [recorded, recomputed]]) => compare(field, recorded, recomputed));
}

/** Where two JSON values differ, leaf by leaf. */
function compare(field: string, recorded: unknown, recomputed: unknown): Difference[] {
  if (typeof recorded === "number" && typeof recomputed === "number") {
    const close = Math.abs(recorded - recomputed) <= RELATIVE_TOLERANCE * Math.max(1, Math.abs(recorded));
    return close ? [] : [{ field, recorded, recomputed }];
  }
  if (isObject(recorded) && isObject(recomputed)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(recomputed)]);
    return [...keys].flatMap((key) => compare(`${field}.${key}`, recorded[key], recomputed[key]));
  }
  return recorded === recomputed ? [] : [{ field, recorded: recorded ?? null, recomputed: recomputed ?? null }];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
