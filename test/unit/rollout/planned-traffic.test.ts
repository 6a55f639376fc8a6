import { describe, expect, it } from "vitest";
import { rolloutPlanSchema } from "../../../contracts/rollout.ts";
import type { ObservedTraffic } from "../../../contracts/traffic.ts";
import { latencyFloor, planTraffic } from "../../../core/rollout/planned-traffic.ts";

const plan = rolloutPlanSchema.parse({ deadlineMs: 100_000 });
const seen: ObservedTraffic = {
  coveredMs: 100_000,
  requests: 2000,
  championRequests: 1000,
  errors: 3,
  aboveFloor: 20,
  labelDue: 800,
  labelled: 400,
  wrong: 100,
  labelDelayMs: 1500.4,
};

describe("the traffic a rollout is planned for", () => {
  it("is what the log shows", () => {
    const { traffic, sources } = planTraffic(plan, seen);
    expect(traffic).toEqual({
      requestsPerSecond: 20,
      errorShare: 0.003,
      slowShare: 0.02,
      wrongShare: 0.25,
      labelledShare: 0.5,
      labelDelayMs: 1500,
    });
    expect(new Set(Object.values(sources))).toEqual(new Set(["observed"]));
  });

  it("never has more slow requests than the frozen quantile leaves", () => {
    expect(planTraffic(plan, { ...seen, aboveFloor: 1000 }).traffic.slowShare).toBeCloseTo(0.05, 12);
  });

  it("is what was given before what was seen, and an assumption, marked as one, where neither says anything", () => {
    const given = planTraffic(plan, seen, { errorShare: 0.5 });
    expect(given).toMatchObject({
      traffic: { errorShare: 0.5 },
      sources: { errorShare: "given", slowShare: "observed" },
    });
    const { traffic, sources } = planTraffic(plan, null);
    expect(traffic).toMatchObject({ errorShare: 0.001, wrongShare: 0.2, labelledShare: 1 });
    expect(new Set(Object.values(sources))).toEqual(new Set(["assumed"]));
  });

  it("takes no rate from fewer than a hundred requests of the champion", () => {
    const few = planTraffic(plan, { ...seen, championRequests: 99 });
    expect(few.sources).toMatchObject({
      requestsPerSecond: "observed",
      errorShare: "assumed",
      labelledShare: "assumed",
    });
  });

  it("takes a log without labels for a lack of labels only when it is as long as the deadline", () => {
    const none = { ...seen, labelled: 0, wrong: 0, labelDelayMs: null };
    expect(planTraffic(plan, none).traffic.labelledShare).toBe(0);
    expect(planTraffic(plan, { ...none, coveredMs: 99_999 }).sources.labelledShare).toBe("assumed");
  });

  it("asks the log for latencies above the guardrail's floor", () => {
    expect(latencyFloor(plan)).toBe(5);
    expect(latencyFloor(rolloutPlanSchema.parse({ guardrails: [{ name: "error-rate" }] }))).toBe(0);
  });
});
