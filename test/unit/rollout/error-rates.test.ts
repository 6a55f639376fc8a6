import { describe, expect, it } from "vitest";
import { rolloutPlanSchema } from "../../../contracts/rollout.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { type Rates, simulateRollout, type World } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({ minimumRequestsPerStep: 400 });
const looks = 60;
const runs = 400;

/** Base rates that rise threefold along the ramp: where a pooled comparison across the steps is wrong. */
const drifting = (look: number): Rates => ({
  errors: 0.004 + (0.008 * look) / looks,
  slow: 0.03 + (0.06 * look) / looks,
  wrong: 0.12 + (0.2 * look) / looks,
});

const world = (canary: (look: number) => Rates, more: Partial<World> = {}): World => ({
  requestsPerLook: 600,
  champion: drifting,
  canary,
  ...more,
});

const times = (base: (look: number) => Rates, by: Partial<Rates>) => (look: number) => {
  const rates = base(look);
  return {
    errors: rates.errors * (by.errors ?? 1),
    slow: rates.slow * (by.slow ?? 1),
    wrong: rates.wrong * (by.wrong ?? 1),
  };
};

function share(of: World, verdict: string, from = plan): number {
  let count = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    if (simulateRollout(from, of, looks, seed).verdict === verdict) count += 1;
  }
  return count / runs;
}

/** Three standard deviations of a share of 5 % over these runs. */
const tolerance = 3 * Math.sqrt((0.05 * 0.95) / runs);

describe("error rates of a rollout, by seeded simulation", () => {
  it("rolls a healthy canary back at most 5 % of the time over 60 looks, under a ramp and drifting base rates", () => {
    // No promotion, so that every run is looked at 60 times.
    const watching = { ...plan, falsePromotionRate: 1e-13 };
    expect(share(world(drifting), "rollback", watching)).toBeLessThanOrEqual(0.05);
  });

  it("rolls back a canary with three times the errors or the slow requests", () => {
    const high = (look: number) => ({ ...drifting(look), errors: 0.012 });
    const errors = world(times(high, { errors: 3 }), { champion: high });
    expect(share(errors, "rollback")).toBeGreaterThan(0.95);
    expect(share(world(times(drifting, { slow: 3 })), "rollback")).toBeGreaterThan(0.99);
  });

  it.each([{ slow: 2 }, { wrong: 1.2 }])("promotes a canary exactly at the margin %o at most 5 % of the time", (by) => {
    // Harm would end these runs before promotion gets its chance, so it is switched off.
    const patient = { ...plan, falseRollbackRate: 1e-12 };
    expect(share(world(times(drifting, by)), "promote", patient)).toBeLessThanOrEqual(0.05 + tolerance);
  });

  it("promotes a canary at the allowed error level at most 5 % of the time", () => {
    const patient = { ...plan, falseRollbackRate: 1e-12 };
    const at = (look: number) => ({ ...drifting(look), errors: 0.01 });
    expect(share(world(at, { champion: at }), "promote", patient)).toBeLessThanOrEqual(0.05 + tolerance);
  });

  it("promotes a good canary soon", () => {
    const good = () => ({ errors: 0.001, slow: 0.05, wrong: 0.2 });
    expect(share(world(good, { champion: good }), "promote")).toBeGreaterThan(0.9);
  });

  it("finds a split that is not the intended one, and raises no such alarm on the intended one", () => {
    let alarms = 0;
    let found = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const quiet = simulateRollout(plan, world(drifting), looks, seed);
      const leaking = simulateRollout(
        plan,
        world(drifting, { actualShare: (intended) => intended * 0.8 }),
        looks,
        seed,
      );
      if (quiet.last.sampleRatioEvidence >= 1000) alarms += 1;
      if (leaking.last.sampleRatioEvidence >= 1000) found += 1;
    }
    expect(alarms).toBe(0);
    expect(found).toBeGreaterThan(95);
  });

  it("recomputes the same look from the counts it recorded", () => {
    const { last } = simulateRollout(plan, world(drifting), 25, 7);
    expect(judgeRollout({ plan, step: last.step, counts: last.counts, firstDeployment: false })).toEqual(last);
  });
});
