import { describe, expect, it } from "vitest";
import { rolloutPlanSchema, type EpochCounts } from "../../../contracts/rollout.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { emptyEpoch, simulateRollout, type World } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({
  guardrails: [{ name: "prediction-shift", maximumRatio: 2 }],
  steps: [1000, 5000],
});
const rates = { errors: 0.001, slow: 0.05, wrong: 0.2 };
const RUNS = 200;

const world = (firstRange: number, champion = () => 0.1): World => ({
  requestsPerLook: 600,
  champion: () => ({ ...rates, firstRange: champion() }),
  canary: () => ({ ...rates, firstRange }),
});
const share = (of: World, verdict: string, from = plan) =>
  Array.from({ length: RUNS }, (_, seed) => simulateRollout(from, of, 60, seed + 1)).filter(
    (outcome) => outcome.verdict === verdict,
  ).length / RUNS;

const epoch = (ranges: EpochCounts["ranges"]): EpochCounts => ({
  ...emptyEpoch(1, 0.5),
  requests: { champion: 1000, canary: 1000 },
  ...(ranges && { ranges }),
});
const look = (ranges: EpochCounts["ranges"]) =>
  judgeRollout({ plan, step: 1, counts: [epoch(ranges)], firstDeployment: false });

describe("the prediction-shift guardrail", () => {
  it("promotes a canary that predicts as the champion does, and hardly ever rolls it back", () => {
    expect(share(world(0.1), "promote")).toBeGreaterThan(0.9);
    const watching = { ...plan, falsePromotionRate: 1e-13 };
    expect(share(world(0.1), "rollback", watching)).toBeLessThanOrEqual(0.05);
  });

  it("rolls back a canary with far more, or far fewer, predictions in one range", () => {
    expect(share(world(0.4), "rollback")).toBeGreaterThan(0.95);
    expect(share(world(0.02), "rollback")).toBeGreaterThan(0.95);
  });

  it.each([0.2, 0.05])(
    "promotes a canary at the margin (%d of answers in the first range) at most 5 %% of the time",
    (at) => {
      const patient = { ...plan, falseRollbackRate: 1e-12 };
      expect(share(world(at), "promote", patient)).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / RUNS));
    },
  );

  it("holds without answers in a range: nothing shows that it is as it was", () => {
    const half = { champion: 500, canary: 500 };
    expect(look([half, half]).verdict).toBe("promote");
    expect(look([half, half, { champion: 0, canary: 0 }])).toMatchObject({
      verdict: "hold",
      guardrails: [{ safetyEvidence: 1 }],
    });
    expect(look(undefined)).toMatchObject({ verdict: "hold", guardrails: [{ harmEvidence: 1, safetyEvidence: 1 }] });
  });

  it("shows the range that moved most", () => {
    const moved = look([
      { champion: 500, canary: 500 },
      { champion: 400, canary: 100 },
      { champion: 100, canary: 400 },
    ]);
    expect(moved.verdict).toBe("rollback");
    expect(moved.guardrails).toMatchObject([{ canaryTrials: 1000, championTrials: 1000 }]);
    expect([100, 400]).toContain(moved.guardrails[0]?.canaryEvents);
    expect(moved.reason).toContain("in the range that moved most");
  });
});
