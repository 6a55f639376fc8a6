import { describe, expect, it } from "vitest";
import { rolloutPlanSchema, type EpochCounts } from "../../../contracts/rollout.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";

const plan = rolloutPlanSchema.parse({
  steps: [5000],
  minimumRequestsPerStep: 100,
  guardrails: [{ name: "latency", quantile: 0.95, maximumRatio: 2 }],
});

const look = (slow: EpochCounts["slow"], requests: EpochCounts["requests"]) => {
  const none = { champion: 0, canary: 0 };
  const counts: EpochCounts = { epoch: 1, canaryShare: 0.5, requests, errors: none, slow, labelled: none, wrong: none };
  return judgeRollout({ plan, step: 0, counts: [counts], firstDeployment: false });
};

describe("the latency guardrail", () => {
  it("promotes on an endpoint where nothing is slow", () => {
    expect(look({ champion: 0, canary: 0 }, { champion: 150, canary: 150 }).verdict).toBe("promote");
  });

  it("leaves a canary alone that is slower than a champion that hardly ever is, below the rate frozen with it", () => {
    expect(look({ champion: 1, canary: 30 }, { champion: 2000, canary: 2000 }).verdict).toBe("promote");
  });

  it("rolls back a canary that is slower than the champion and slow in itself", () => {
    expect(look({ champion: 100, canary: 300 }, { champion: 2000, canary: 2000 }).verdict).toBe("rollback");
  });

  it("does not blame the canary for slowness both arms share", () => {
    expect(look({ champion: 300, canary: 300 }, { champion: 2000, canary: 2000 }).verdict).not.toBe("rollback");
  });
});
