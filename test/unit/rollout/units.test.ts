import { describe, expect, it } from "vitest";
import { rolloutPlanSchema, type EpochCounts } from "../../../contracts/rollout.ts";
import { assignedShare } from "../../../core/rollout/assigned-share.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { emptyEpoch } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({
  steps: [500, 2500, 5000],
  guardrails: [{ name: "wrong-label-rate" }],
  falsePromotionRate: 1e-13,
});
const KEYS = 2000;
const RUNS = 200;
const LOOKS_PER_STEP = 20;

describe("the chance of the canary for a key", () => {
  it("is the share for a new one, and what raising the share adds for one the champion had", () => {
    expect(assignedShare({ canaryShare: 0.25 })).toBe(0.25);
    expect(assignedShare({ canaryShare: 0.25, keptAtShare: 0.05 })).toBeCloseTo(0.2 / 0.95, 12);
  });

  it("is nothing where the share did not rise", () => {
    expect(assignedShare({ canaryShare: 0.25, keptAtShare: 0.25 })).toBe(0);
    expect(assignedShare({ canaryShare: 0.05, keptAtShare: 0.25 })).toBe(0);
    expect(assignedShare({ canaryShare: 1, keptAtShare: 1 })).toBe(0);
  });
});

type Counting = "requests" | "units";

/** One key's part of an epoch, added to the entry it belongs to. */
function add(
  entries: Map<string, EpochCounts>,
  {
    step,
    kept,
    arm,
    wrong,
    requests,
  }: { step: number; kept?: number; arm: "canary" | "champion"; wrong: number; requests: number },
): void {
  const key = `${step}/${kept ?? ""}`;
  const share = (plan.steps[step] ?? 0) / 10_000;
  const entry = entries.get(key) ?? { ...emptyEpoch(step, share), ...(kept !== undefined && { keptAtShare: kept }) };
  entries.set(key, entry);
  entry.requests[arm] += requests;
  entry.labelled[arm] += requests;
  entry.wrong[arm] += wrong;
}

/**
 * A healthy canary under keys that differ: one in ten is wrong nearly always, the rest hardly ever, and each asks again and again in every
 * step. Assignment is by key, sticky and rising. Says whether any look rolled back or raised an alarm.
 */
function simulateKeys(counting: Counting, seed: number): boolean {
  const random = createRandom(seed);
  const keys = Array.from({ length: KEYS }, () => ({
    point: random.uniform(),
    rate: random.uniform() < 0.1 ? 0.95 : 0.02,
  }));
  const seen = new Map<number, { canary: boolean; kept?: number }>();
  const entries = new Map<string, EpochCounts>();
  for (const [step, basisPoints] of plan.steps.entries()) {
    const share = basisPoints / 10_000;
    for (let look = 0; look < LOOKS_PER_STEP; look += 1) {
      for (let index = look; index < KEYS; index += LOOKS_PER_STEP) {
        const key = keys[index];
        if (!key) continue;
        const arm = key.point < share ? "canary" : "champion";
        const before = seen.get(index);
        if (counting === "requests") {
          const requests = 10;
          const wrong = Array.from({ length: requests }, () => random.uniform() < key.rate).filter(Boolean).length;
          add(entries, { step, arm, wrong, requests });
        } else if (!before?.canary) {
          const wrong = random.uniform() < key.rate ? 1 : 0;
          add(entries, { step, arm, wrong, requests: 1, ...(before?.kept !== undefined && { kept: before.kept }) });
        }
        seen.set(index, { canary: arm === "canary", ...(arm === "champion" && { kept: share }) });
      }
      const found = judgeRollout({ plan, step, counts: [...entries.values()], firstDeployment: false });
      if (found.verdict === "rollback" || found.alarms) return true;
    }
  }
  return false;
}

describe("counting by key", () => {
  const falselyEnded = (counting: Counting) =>
    Array.from({ length: RUNS }, (_, seed) => simulateKeys(counting, seed + 1)).filter(Boolean).length / RUNS;

  it("keeps a healthy canary from being rolled back because of a few keys, across the steps of a ramp", () => {
    expect(falselyEnded("units")).toBeLessThanOrEqual(0.05);
  });

  it("is needed: the same keys counted by request end far more than 5 % of healthy rollouts", () => {
    expect(falselyEnded("requests")).toBeGreaterThan(0.25);
  });
});
