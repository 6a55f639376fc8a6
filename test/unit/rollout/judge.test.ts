import { describe, expect, it } from "vitest";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { type EpochCounts, rolloutLookSchema, rolloutPlanSchema } from "../../../contracts/rollout.ts";
import { emptyEpoch } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({});
const last = plan.steps.length - 1;

/** An epoch of so many requests, all labelled, with these events by arm. */
function epoch(
  number: number,
  canaryShare: number,
  counts: Partial<Omit<EpochCounts, "epoch" | "canaryShare">>,
): EpochCounts {
  const full = { ...emptyEpoch(number, canaryShare), ...counts };
  return { ...full, labelled: counts.labelled ?? full.requests };
}

const healthy = [
  epoch(1, 0.05, {
    requests: { canary: 500, champion: 9500 },
    slow: { canary: 25, champion: 475 },
    wrong: { canary: 100, champion: 1900 },
  }),
  epoch(2, 0.25, {
    requests: { canary: 2500, champion: 7500 },
    slow: { canary: 125, champion: 375 },
    wrong: { canary: 500, champion: 1500 },
  }),
  epoch(3, 0.5, {
    requests: { canary: 5000, champion: 5000 },
    slow: { canary: 250, champion: 250 },
    wrong: { canary: 1000, champion: 1000 },
  }),
];

const judge = (counts: readonly EpochCounts[], step = last, firstDeployment = false, of = plan) =>
  judgeRollout({ plan: of, step, counts, firstDeployment });

describe("judging a rollout", () => {
  it("promotes at the last step once every guardrail is shown safe", () => {
    const look = judge(healthy);
    expect(look.verdict).toBe("promote");
    expect(look.guardrails.every((one) => one.safetyEvidence >= 20)).toBe(true);
    expect(rolloutLookSchema.parse(look)).toEqual(look);
  });

  it("never promotes before the last step, but says that the step is done", () => {
    const look = judge(healthy.slice(0, 2), 1);
    expect(look).toMatchObject({ verdict: "hold", stepDone: true, step: 1 });
    expect(look.reason).toContain("step 2 of 3");
  });

  it("holds on no data: neither success nor failure", () => {
    for (const counts of [[], [emptyEpoch(1, 0.05)]]) {
      expect(judge(counts, 0)).toMatchObject({ verdict: "hold", stepDone: false });
    }
  });

  it("holds while a step has too few canary requests, however good the earlier steps were", () => {
    const look = judge([...healthy.slice(0, 2), epoch(3, 0.5, { requests: { canary: 199, champion: 190 } })]);
    expect(look).toMatchObject({ verdict: "hold", stepDone: false });
    expect(look.reason).toContain("199 of 200");
  });

  it("adds up the epochs of one step, which a pause splits in two", () => {
    const half = { requests: { canary: 120, champion: 2280 } };
    expect(judge([epoch(1, 0.05, half), epoch(4, 0.05, half)], 0).stepDone).toBe(true);
  });

  it("does not promote without labels when wrong labels are a guardrail", () => {
    const none = { canary: 0, champion: 0 };
    const look = judge(healthy.map((one) => ({ ...one, labelled: none, wrong: none })));
    expect(look.verdict).toBe("hold");
    expect(look.reason).toContain("wrong-label-rate: not shown safe yet");
    expect(look.reason).not.toContain("latency");
  });

  it("rolls back at the stated bound, naming the guardrail and its numbers", () => {
    const bad = { ...healthy[0]!, wrong: { canary: 200, champion: 1900 } };
    const look = judge([bad], 0);
    expect(look).toMatchObject({ verdict: "rollback", stepDone: false });
    expect(look.reason).toContain("wrong-label-rate: worse than allowed, 200 wrong in 500 canary labelled requests");
    expect(look.guardrails.map((one) => one.harmBound)).toEqual([60, 60, 60]);
  });

  it("lets harm win over safety shown by the other guardrails", () => {
    const bad = { ...healthy[2]!, slow: { canary: 600, champion: 250 } };
    expect(judge([...healthy.slice(0, 2), bad]).verdict).toBe("rollback");
  });

  it("does not blame the canary for an outage that both arms share", () => {
    const outage = epoch(1, 0.25, { requests: { canary: 250, champion: 750 }, errors: { canary: 100, champion: 300 } });
    const look = judge([outage], 0);
    expect(look.verdict).toBe("hold");
    expect(look.guardrails[0]?.safetyEvidence).toBeLessThan(1e-6);
  });

  it("does not roll back errors below the allowed level, although the champion has none", () => {
    const few = epoch(1, 0.5, { requests: { canary: 10_000, champion: 10_000 }, errors: { canary: 20, champion: 0 } });
    expect(judge([few], last).guardrails[0]?.harmEvidence).toBeLessThan(1);
    expect(judge([few], last).verdict).toBe("hold");
  });

  it("trips at once when all of 20 canary requests fail, and not at 19", () => {
    const broken = (count: number) => {
      const failing = epoch(1, 0.5, {
        requests: { canary: count, champion: 20 },
        errors: { canary: count, champion: 20 },
      });
      return judge([failing], 0);
    };
    expect(broken(19).verdict).toBe("hold");
    expect(broken(20)).toMatchObject({ verdict: "rollback", stepDone: false });
    expect(broken(20).reason).toContain("all of its newest 20 requests were errors");
  });

  it("holds and does not ramp while requests are not split as intended", () => {
    const skewed = epoch(3, 0.5, { ...healthy[2]!, requests: { canary: 4000, champion: 6000 } });
    const look = judge([...healthy.slice(0, 2), skewed]);
    expect(look).toMatchObject({ verdict: "hold", stepDone: false });
    expect(look.sampleRatioEvidence).toBeGreaterThan(1000);
    expect(look.reason).toContain("not split between the arms as intended");
  });

  it("holds and raises an alarm while labels do not come for both arms alike, where a guardrail uses them", () => {
    const late = { ...healthy[2]!, labelled: { canary: 2500, champion: 5000 }, wrong: { canary: 500, champion: 1000 } };
    const look = judge([...healthy.slice(0, 2), late]);
    expect(look).toMatchObject({ verdict: "hold", stepDone: false, alarms: ["label-split"] });
    expect(look.labelRatioEvidence).toBeGreaterThan(1000);
    expect(look.reason).toContain("labels do not arrive for both arms alike");
    const unlabelled = rolloutPlanSchema.parse({ guardrails: [{ name: "error-rate" }, { name: "latency" }] });
    const without = judge([...healthy.slice(0, 2), late], last, false, unlabelled);
    expect(without.verdict).toBe("promote");
    expect(without).not.toHaveProperty("labelRatioEvidence");
  });

  it("judges keys that came in an earlier epoch by the chance they had left", () => {
    // Of the champion's keys of 5 % a rise to 50 % moves 45/95: split like that they are as intended, and counted as new ones they are not.
    const kept = { canaryShare: 0.5, requests: { canary: 4737, champion: 5263 } };
    const known = { ...epoch(3, 0.5, { requests: kept.requests }), keptAtShare: 0.05 };
    expect(judge([known]).alarms).toBeUndefined();
    expect(judge([epoch(3, 0.5, { requests: kept.requests })]).alarms).toEqual(["request-split", "label-split"]);
    expect(judge([known]).stepDone).toBe(true);
  });

  it("judges a first deployment by the level of errors alone, whatever the step", () => {
    const alone = (errors: number) =>
      judge(
        [epoch(1, 1, { requests: { canary: 1000, champion: 0 }, errors: { canary: errors, champion: 0 } })],
        0,
        true,
      );
    expect(alone(0)).toMatchObject({ verdict: "promote", sampleRatioEvidence: 1 });
    expect(alone(0).guardrails.map((one) => one.name)).toEqual(["error-rate"]);
    expect(alone(9).verdict).toBe("hold");
    expect(alone(60).verdict).toBe("rollback");
  });

  it("promotes no first deployment on no evidence when the plan names no error-rate guardrail", () => {
    const bare = rolloutPlanSchema.parse({ guardrails: [{ name: "latency" }] });
    const look = judge([epoch(1, 1, { requests: { canary: 250, champion: 0 } })], 0, true, bare);
    expect(look).toMatchObject({ verdict: "hold", guardrails: [{ name: "error-rate" }] });
  });

  it("gives the same look for the same counts, whatever their order", () => {
    expect(judge(healthy.toReversed())).toEqual(judge(healthy));
    expect(JSON.parse(JSON.stringify(judge(healthy)))).toEqual(judge(healthy));
  });

  it("refuses a step that the plan does not have", () => {
    expect(() => judge(healthy, 3)).toThrow(RangeError);
  });
});
