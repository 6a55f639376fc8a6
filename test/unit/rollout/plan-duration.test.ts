import { assert, constantFrom, double, integer, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Guardrail } from "../../../contracts/names.ts";
import { rolloutPlanSchema, type RolloutPlan } from "../../../contracts/rollout.ts";
import type { Traffic } from "../../../contracts/traffic.ts";
import { concludes, expectHealthy, planDuration, type Expectation } from "../../../core/rollout/plan-duration.ts";
import { planRemedies, type Remedy } from "../../../core/rollout/plan-remedies.ts";
import { type Rates, simulateRollout } from "./simulate.ts";

const parse = (plan: object) => rolloutPlanSchema.parse(plan);
const traffic = (changes: Partial<Traffic> = {}): Traffic => ({
  requestsPerSecond: 10,
  errorShare: 0.001,
  slowShare: 0.05,
  wrongShare: 0.2,
  labelledShare: 1,
  labelDelayMs: 0,
  ...changes,
});

const RUNS = 100;
const MOST_LOOKS = 3000;

/** Looks to the expected verdict, ascending, of the rollouts that came to it. */
function simulated(plan: RolloutPlan, of: Traffic, { scenario, verdict }: Expectation): number[] {
  const champion: Rates = { errors: of.errorShare, slow: of.slowShare, wrong: of.wrongShare };
  const worse = (name: Guardrail) =>
    scenario.canary === "harmful" && scenario.guardrail === name ? scenario.ratio : 1;
  const canary: Rates = {
    errors: champion.errors * worse("error-rate"),
    slow: champion.slow * worse("latency"),
    wrong: champion.wrong * worse("wrong-label-rate"),
    firstRange: worse("prediction-shift") / 10,
  };
  const requestsPerLook = (of.requestsPerSecond * plan.lookIntervalMs) / 1000;
  const world = { requestsPerLook, champion: () => champion, canary: () => canary };
  return Array.from({ length: RUNS }, (_, seed) => simulateRollout(plan, world, MOST_LOOKS, seed + 1))
    .filter((outcome) => outcome.verdict === verdict)
    .map(({ looks }) => looks)
    .sort((a, b) => a - b);
}

describe("the planner", () => {
  it.each([
    { plan: {}, of: {} },
    { plan: { guardrails: [{ name: "error-rate" }] }, of: { requestsPerSecond: 5, errorShare: 0.005 } },
    { plan: { guardrails: [{ name: "latency" }], steps: [1000] }, of: { requestsPerSecond: 2 } },
    {
      plan: { guardrails: [{ name: "wrong-label-rate", maximumRatio: 1.5 }], steps: [1000, 3000] },
      of: { requestsPerSecond: 3, wrongShare: 0.1 },
    },
    { plan: { guardrails: [{ name: "prediction-shift" }] }, of: { requestsPerSecond: 5 } },
    { plan: { falsePromotionRate: 0.01, falseRollbackRate: 0.01 }, of: { errorShare: 0.02 } },
  ])("tells the median and the 90 % quantile that a simulation finds: $plan at $of", ({ plan: said, of }) => {
    const plan = parse(said);
    const world = traffic(of);
    let compared = 0;
    for (const expectation of planDuration(plan, world)) {
      const { verdict, typicalMs, lateMs } = expectation;
      // Null where a little luck brings the other verdict: then neither time is one of a clear majority.
      if (verdict === "hold" || typicalMs === null || lateMs === null) continue;
      const looks = simulated(plan, world, expectation);
      expect(looks.length).toBeGreaterThan(0.85 * RUNS);
      // A look either way is the grain of the scale.
      const off = (expected: number, quantile: number) => {
        const found = looks[Math.floor(looks.length * quantile)] ?? Number.NaN;
        return Math.max(0, Math.abs(expected / plan.lookIntervalMs - found) - 1) / found;
      };
      expect(off(typicalMs, 0.5)).toBeLessThan(0.35);
      // Each of many ranges must be shown not to have moved; the unluckiest takes longer than the formula allows for.
      expect(off(lateMs, 0.9)).toBeLessThan(
        plan.guardrails.some(({ name }) => name === "prediction-shift") ? 0.5 : 0.35,
      );
      compared += 1;
    }
    expect(compared).toBeGreaterThan(0);
  });

  it("says never where the champion itself breaks a guardrail or no label ever comes", () => {
    expect(expectHealthy(parse({}), traffic({ errorShare: 0.02 }))).toMatchObject({ verdict: "hold", typicalMs: null });
    expect(expectHealthy(parse({}), traffic({ labelledShare: 0 })).typicalMs).toBeNull();
    expect(expectHealthy(parse({}), traffic({ requestsPerSecond: 0 })).typicalMs).toBeNull();
  });

  it("waits for labels as long as they take", () => {
    const hour = 3_600_000;
    const soon = expectHealthy(parse({}), traffic()).typicalMs ?? Number.NaN;
    const late = expectHealthy(parse({}), traffic({ labelDelayMs: hour })).typicalMs ?? Number.NaN;
    expect(late).toBeGreaterThanOrEqual(hour);
    expect(late).toBeLessThanOrEqual(hour + soon);
  });

  it("needs less time for more traffic, for a wider margin and for less certainty", () => {
    const time = (plan: object, of = {}) => expectHealthy(parse(plan), traffic(of)).typicalMs ?? Infinity;
    expect(time({}, { requestsPerSecond: 20 })).toBeLessThan(time({}));
    expect(time({ guardrails: [{ name: "wrong-label-rate", maximumRatio: 1.5 }] })).toBeLessThan(
      time({ guardrails: [{ name: "wrong-label-rate", maximumRatio: 1.2 }] }),
    );
    expect(time({ falsePromotionRate: 0.2 })).toBeLessThan(time({ falsePromotionRate: 0.01 }));
  });
});

/** The plan and traffic after a change. */
function changed(plan: RolloutPlan, of: Traffic, { change, to }: Remedy): [RolloutPlan, Traffic] {
  if (change === "traffic") return [plan, { ...of, requestsPerSecond: Number(to) }];
  const [name, margin] = change.split(".");
  if (margin === undefined) return [rolloutPlanSchema.parse({ ...plan, [change]: to }), of];
  const guardrails = plan.guardrails.map((one) => (one.name === name ? { ...one, [margin]: to } : one));
  return [rolloutPlanSchema.parse({ ...plan, guardrails }), of];
}

describe("what would let a plan conclude", () => {
  it("is the deadline, the share, the margin, the minimum or the traffic, whichever suffices alone", () => {
    const slow = parse({ guardrails: [{ name: "wrong-label-rate" }], steps: [500], deadlineMs: 3_600_000 });
    const changes = planRemedies(slow, traffic({ requestsPerSecond: 2 })).map(({ change }) => change);
    expect(changes).toEqual(["deadlineMs", "steps", "wrong-label-rate.maximumRatio", "traffic"]);
    const patient = parse({ minimumRequestsPerStep: 100_000, deadlineMs: 3_600_000 });
    expect(planRemedies(patient, traffic()).map(({ change }) => change)).toContain("minimumRequestsPerStep");
  });

  it("is nothing where no single change suffices", () => {
    expect(planRemedies(parse({}), traffic({ errorShare: 0.02, labelledShare: 0 }))).toEqual([]);
  });

  it("suffices each time, and a tenth of it does not", () => {
    const plans = record({
      requestsPerSecond: double({ min: 0.05, max: 20, noNaN: true }),
      wrongShare: double({ min: 0.05, max: 0.5, noNaN: true }),
      errorShare: double({ min: 0, max: 0.03, noNaN: true }),
      deadlineMs: integer({ min: 600_000, max: 48 * 3_600_000 }),
      minimumRequestsPerStep: integer({ min: 1, max: 5000 }),
      steps: constantFrom([500], [500, 2500, 5000], [5000], [100, 1000]),
    });
    const suffices = property(plans, ({ requestsPerSecond, wrongShare, errorShare, ...said }) => {
      const plan = parse(said);
      const world = traffic({ requestsPerSecond, wrongShare, errorShare });
      if (concludes(plan, expectHealthy(plan, world))) return;
      for (const remedy of planRemedies(plan, world)) {
        const [wider, busier] = changed(plan, world, remedy);
        expect(concludes(wider, expectHealthy(wider, busier))).toBe(true);
        if (remedy.change !== "traffic") continue;
        const tenth = requestsPerSecond + (Number(remedy.to) - requestsPerSecond) * 0.1;
        const before = { ...world, requestsPerSecond: tenth };
        expect(concludes(plan, expectHealthy(plan, before))).toBe(false);
      }
    });
    assert(suffices, { numRuns: 25 });
  });
});
