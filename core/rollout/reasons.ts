import type { RolloutAlarm } from "../../contracts/names.ts";
import type { GuardrailLook, RolloutPlan } from "../../contracts/rollout.ts";
import { guardrailRule } from "./guardrails.ts";

/** Clauses become one sentence a person can read in a log, with the numbers that mattered. */
export function sentence(clauses: readonly string[]): string {
  return clauses.join("; ");
}

export function describeHarm(look: GuardrailLook): string {
  return `${look.name}: worse than allowed, ${observed(look)}, harm evidence ${short(look.harmEvidence)} reached ${short(look.harmBound)}`;
}

export function describeSafe(look: GuardrailLook): string {
  return `${look.name}: safe, ${observed(look)}, safety evidence ${short(look.safetyEvidence)} reached ${short(look.safetyBound)}`;
}

export function describeOpen(look: GuardrailLook): string {
  return `${look.name}: not shown safe yet, ${observed(look)}, safety evidence ${short(look.safetyEvidence)} of ${short(look.safetyBound)}`;
}

const SPLITS = {
  "request-split":
    "requests are not split between the arms as intended (sample ratio evidence EVIDENCE): compare the routing epochs of the gateways and look for lost log rows",
  "label-split":
    "labels do not arrive for both arms alike (sample ratio evidence EVIDENCE): look at who sends them, and whether an answer decides if its truth is learnt",
} as const satisfies Record<RolloutAlarm, string>;

export function describeSplit(alarm: RolloutAlarm, evidence: number): string {
  return SPLITS[alarm].replace("EVIDENCE", short(evidence));
}

export function describeMissing(requests: number, plan: RolloutPlan, step: number): string {
  return `${stepName(plan, step)}: ${requests} of ${plan.minimumRequestsPerStep} canary requests seen, no harm found`;
}

export function describeStepDone(requests: number, plan: RolloutPlan, step: number): string {
  return `${stepName(plan, step)}: ${requests} canary requests and no harm found, ready for the next step`;
}

function stepName(plan: RolloutPlan, step: number): string {
  return `step ${step + 1} of ${plan.steps.length}`;
}

function observed(look: GuardrailLook): string {
  const { event, trial } = guardrailRule(look.name);
  const canary = `${look.canaryEvents} ${event} in ${look.canaryTrials} canary ${trial}`;
  const champion =
    look.championTrials === 0 ? "" : ` against ${look.championEvents} in ${look.championTrials} of the champion`;
  const ratio = look.ratio === null ? "" : ` (ratio ${short(look.ratio)})`;
  return canary + champion + ratio;
}

/** Three significant digits; very large and very small evidence as a power of ten. */
function short(value: number): string {
  if (value !== 0 && (value < 0.001 || value >= 1e6)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
