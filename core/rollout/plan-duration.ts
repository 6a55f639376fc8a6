import { BASIS_POINTS, type Guardrail, type RolloutVerdict } from "../../contracts/names.ts";
import type { RolloutPlan } from "../../contracts/rollout.ts";
import type { Traffic } from "../../contracts/traffic.ts";
import { normalQuantile } from "../stats/normal-quantile.ts";
import { type ArmRates, type EventRates, expectedCounts, type StepLooks } from "./expected-counts.ts";
import { guardrailRule } from "./guardrails.ts";
import { judgeRollout } from "./judge.ts";

/** Canaries a plan is asked about: as good as the champion, or worse by a factor in one guardrail's events. */
export type Scenario =
  | { readonly canary: "healthy" }
  | { readonly canary: "harmful"; readonly guardrail: Guardrail; readonly ratio: number };

export interface Expectation {
  readonly scenario: Scenario;
  /** What the judge comes to; `hold` when it comes to nothing within `HORIZON_MS`. */
  readonly verdict: RolloutVerdict;
  /** Typical time to that verdict; null for never. */
  readonly typicalMs: number | null;
  /** What nine rollouts in ten need at most; null for never, or when with a little luck the other verdict comes first. */
  readonly lateMs: number | null;
}

/** Ten times the longest deadline: what takes longer is called never. */
const HORIZON_MS = 300 * 24 * 3600 * 1000;
const HARM_RATIOS = [1.5, 2, 3] as const;
const LATE_SHARE = 0.9;

/**
 * How long a rollout takes until its judge decides, for a healthy canary and for one worse by 1.5, 2 and 3 in each guardrail.
 * No simulation: the judge itself looks at the counts to be expected. Evidence is a product over requests, so its logarithm grows
 * steadily and the expected counts reach a bound in about the median time: both times are within 35 %, with ranges of predictions within a half, of the
 * median and the 90 % quantile of simulated rollouts (test/unit/rollout/plan-duration.test.ts).
 */
export function planDuration(plan: RolloutPlan, traffic: Traffic): Expectation[] {
  return scenariosOf(plan).map((scenario) => expect(plan, traffic, scenario));
}

/** The expectation for a canary as good as the champion: the plan can conclude when this ends in promotion before the deadline. */
export function expectHealthy(plan: RolloutPlan, traffic: Traffic): Expectation {
  return expect(plan, traffic, { canary: "healthy" });
}

/** Whether a healthy canary is typically promoted before the deadline. */
export function concludes({ deadlineMs }: RolloutPlan, { verdict, typicalMs }: Expectation): boolean {
  return verdict === "promote" && typicalMs !== null && typicalMs <= deadlineMs;
}

function scenariosOf(plan: RolloutPlan): Scenario[] {
  const harmful = plan.guardrails.flatMap(({ name }) =>
    HARM_RATIOS.map((ratio): Scenario => ({ canary: "harmful", guardrail: name, ratio })),
  );
  return [{ canary: "healthy" }, ...harmful];
}

function expect(plan: RolloutPlan, traffic: Traffic, scenario: Scenario): Expectation {
  const champion: EventRates = { ...traffic, firstRangeRatio: 1 };
  const rates: ArmRates = { champion, canary: canaryRates(champion, scenario) };
  const shadowMs = shadowDuration(plan, traffic);
  const typical = firstVerdict(plan, (looks) => expectedCounts(plan, { traffic, rates }, looks));
  // A harmful canary that is lucky is found later; a healthy one waits for the guardrail in which it is least lucky.
  const luck =
    typical?.verdict === "rollback"
      ? -normalQuantile(LATE_SHARE)
      : normalQuantile(LATE_SHARE ** (1 / plan.guardrails.length));
  const late = typical && firstVerdict(plan, (looks) => expectedCounts(plan, { traffic, rates, luck }, looks));
  return {
    scenario,
    verdict: typical?.verdict ?? "hold",
    typicalMs: typical && Number.isFinite(shadowMs) ? typical.ms + shadowMs : null,
    lateMs: late && late.verdict === typical?.verdict && Number.isFinite(shadowMs) ? late.ms + shadowMs : null,
  };
}

/** Until enough is mirrored, in whole looks. What its answers come to is the candidate's own affair, and not foreseen. */
function shadowDuration({ shadow, lookIntervalMs }: RolloutPlan, { requestsPerSecond }: Traffic): number {
  if (!shadow) return 0;
  const seconds = shadow.minimumRequests / (requestsPerSecond * (shadow.share / BASIS_POINTS));
  return Math.ceil((seconds * 1000) / lookIntervalMs) * lookIntervalMs;
}

function canaryRates(champion: EventRates, scenario: Scenario): EventRates {
  if (scenario.canary === "healthy") return champion;
  return guardrailRule(scenario.guardrail).worsen(champion, scenario.ratio);
}

interface Decision {
  readonly verdict: "promote" | "rollback";
  readonly ms: number;
}

/** The first look that decides, step by step; within a step by bisection, for what is decided on average stays decided. */
function firstVerdict(
  plan: RolloutPlan,
  countsAfter: (looks: StepLooks) => ReturnType<typeof expectedCounts>,
): Decision | null {
  const horizon = Math.ceil(HORIZON_MS / plan.lookIntervalMs);
  const before: number[] = [];
  for (let step = 0; step < plan.steps.length; step += 1) {
    const lookAfter = (looks: number) =>
      judgeRollout({ plan, step, counts: countsAfter([...before, looks]), firstDeployment: false });
    const last = step === plan.steps.length - 1;
    const left = horizon - sum(before);
    const looks = firstTrue(left, (count) => {
      const { verdict, stepDone } = lookAfter(count);
      return verdict !== "hold" || (stepDone && !last);
    });
    if (looks === null) return null;
    before.push(looks);
    const { verdict } = lookAfter(looks);
    if (verdict === "hold") continue;
    const baking = verdict === "promote" ? Math.max(0, (plan.bakeMs ?? 0) - looks * plan.lookIntervalMs) : 0;
    return { verdict, ms: sum(before) * plan.lookIntervalMs + baking };
  }
  return null;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Smallest whole number from 1 to `limit` for which it is true; null when it is false for all. It stays true once it is. */
function firstTrue(limit: number, isTrue: (count: number) => boolean): number | null {
  let high = 1;
  while (!isTrue(high)) {
    if (high >= limit) return null;
    high = Math.min(limit, high * 2);
  }
  let low = Math.floor(high / 2);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isTrue(middle)) high = middle;
    else low = middle;
  }
  return high;
}
