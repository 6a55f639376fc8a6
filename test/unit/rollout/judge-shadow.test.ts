import { assert, constant, nat, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { rolloutLookSchema, rolloutPlanSchema, type ShadowCounts } from "../../../contracts/rollout.ts";
import { judgeObservation } from "../../../core/rollout/judge-observation.ts";
import { judgeShadow } from "../../../core/rollout/judge-shadow.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { expectHealthy } from "../../../core/rollout/plan-duration.ts";
import { recomputeRollout } from "../../../core/rollout/recompute.ts";
import { createRandom } from "../../../core/stats/random.ts";

const plan = rolloutPlanSchema.parse({ shadow: { minimumRequests: 100, maximumDisagreement: 0.1 } });
const shadow = plan.shadow ?? { share: 1, minimumRequests: 1, maximumDisagreement: 1 };
const health = { newest: { requests: 0, errors: 0 } };
const of = (counts: Partial<ShadowCounts>, seen = health) =>
  judgeShadow({
    plan,
    shadow,
    counts: {
      mirrored: 0,
      shed: 0,
      errors: 0,
      compared: 0,
      disagreed: 0,
      scoreDifferenceSum: 0,
      scoreDifferenceMaximum: 0,
      ...counts,
    },
    health: seen,
  });

describe("judging mirrored requests", () => {
  it("holds on nothing, and until there are enough", () => {
    expect(of({})).toMatchObject({ verdict: "hold", stepDone: false });
    expect(of({ compared: 99 }).reason).toContain("99 of 100 mirrored requests answered");
  });

  it("lets the ramp begin when both rates are shown to be below their levels, and only then", () => {
    expect(of({ compared: 600, disagreed: 12 })).toMatchObject({ verdict: "hold", stepDone: true });
    expect(of({ compared: 600, disagreed: 58 })).toMatchObject({ verdict: "hold", stepDone: false });
    // 1 % of errors is the plan's own level: 100 without one do not show that it is kept.
    expect(of({ compared: 100 })).toMatchObject({ stepDone: false });
  });

  it("goes back on answers that differ too often, on errors of its own, and on a tripwire; harm wins", () => {
    expect(of({ compared: 600, disagreed: 160 })).toMatchObject({ verdict: "rollback" });
    expect(of({ compared: 600, errors: 60 }).reason).toContain("more errors in 60 of 660 mirrored requests");
    const gateways = [{ gateway: "g", exits: 3, unreadyMs: 0, schemaMismatches: 0 }];
    expect(of({ compared: 600 }, { ...health, gateways } as never)).toMatchObject({ verdict: "rollback" });
  });

  it("does not judge what was shed", () => {
    const looked = of({ compared: 600, disagreed: 12 });
    const busy = of({ compared: 600, disagreed: 12, shed: 1_000_000 });
    expect(busy.shadow?.judged).toEqual(looked.shadow?.judged);
  });

  it("rolls a candidate at its margins back in at most the share of its budget, however often it is looked at", () => {
    const generator = createRandom(7);
    const random = () => generator.uniform();
    let rolledBack = 0;
    for (let run = 0; run < 400; run += 1) {
      const counts = { compared: 0, disagreed: 0, errors: 0 };
      for (let look = 0; look < 60; look += 1) {
        for (let request = 0; request < 20; request += 1) {
          if (random() < 0.01) counts.errors += 1;
          else {
            counts.compared += 1;
            if (random() < 0.1) counts.disagreed += 1;
          }
        }
        if (of(counts).verdict === "rollback") {
          rolledBack += 1;
          break;
        }
      }
    }
    // Two of five tests of a budget of 5 %, and a mixture spends less.
    expect(rolledBack / 400).toBeLessThanOrEqual(0.02);
  });

  it("takes its two tests from the plan's one budget: the ramp's bounds are higher with it", () => {
    const bounds = (one: typeof plan) =>
      judgeRollout({ plan: one, step: 0, counts: [], firstDeployment: false }).guardrails.map((look) => look.harmBound);
    expect(bounds(plan)).toEqual([100, 100, 100]);
    expect(bounds(rolloutPlanSchema.parse({}))).toEqual([60, 60, 60]);
  });

  it("survives being stored, whatever the counts", () => {
    const count = nat(1_000_000);
    const counts = record({
      compared: count,
      disagreed: constant(0),
      errors: count,
      shed: count,
      mirrored: count,
    });
    assert(
      property(counts, (given) => {
        const look = of(given);
        expect(rolloutLookSchema.parse(JSON.parse(JSON.stringify(look)))).toEqual(look);
      }),
    );
  });
});

describe("a rollout with phases, recomputed", () => {
  const planDigest = "a".repeat(64);
  const basis = { planDigest, latencyThresholdMs: null, firstDeployment: false };
  const phases = rolloutPlanSchema.parse({
    steps: [5000],
    minimumRequestsPerStep: 1,
    guardrails: [{ name: "error-rate" }],
    shadow: {},
  });
  const none = { champion: 0, canary: 0 };
  const requests = { champion: 2000, canary: 2000 };
  const counts = [{ epoch: 3, canaryShare: 0.5, requests, errors: none, slow: none, labelled: none, wrong: none }];
  const looks = [
    of({ compared: 600, disagreed: 12 }),
    judgeRollout({ plan: phases, step: 0, counts, firstDeployment: false, health }),
    judgeObservation({ plan: phases, step: 0, counts: [], health }),
  ];
  const recorded = (changed = looks, status: "promoted" | "rolled-back" = "promoted") => ({
    plan: { ...phases, guardrails: plan.guardrails, shadow },
    planDigest,
    storedPlanDigest: planDigest,
    auditedPlanDigest: planDigest,
    latencyThresholdMs: null,
    firstDeployment: false,
    status,
    outcome: "",
    looks: changed.map((look, index) => ({ number: index + 1, verdict: look.verdict, look: { ...look, basis } })),
  });

  it("judges each look by its own phase, and rests the promotion on the ramp and not on what came after", () => {
    const found = recomputeRollout({ ...recorded(), plan: { ...phases, shadow } });
    // The shadow look was judged by a plan with three guardrails, so its bound is another here.
    expect(found.looks.map(({ matches }) => matches)).toEqual([false, true, true]);
    expect(found.looks[0]?.differences.map(({ field }) => field)).toEqual([
      "look.shadow.judged.0.harmBound",
      "look.shadow.judged.1.harmBound",
    ]);
    expect(found.decision).toEqual({ matches: true, basis: "promoted; look 2, recomputed, says promote" });
  });

  it("finds a look whose tripwire was met and is recorded as quiet", () => {
    const quiet = looks.map((look) =>
      look.phase === "observe" ? { ...look, health: { newest: { requests: 20, errors: 20 } } } : look,
    );
    expect(recomputeRollout(recorded(quiet)).looks.at(-1)).toMatchObject({
      matches: false,
      recorded: "hold",
      recomputed: "rollback",
    });
  });
});

describe("the duration of a plan with phases", () => {
  const traffic = {
    requestsPerSecond: 20,
    errorShare: 0.001,
    slowShare: 0.05,
    wrongShare: 0.1,
    labelledShare: 1,
    labelDelayMs: 0,
  };
  const typical = (changes: object) => expectHealthy(rolloutPlanSchema.parse(changes), traffic).typicalMs ?? Number.NaN;

  it("is longer by the time that mirroring and baking take", () => {
    const plain = typical({});
    expect(typical({ shadow: { share: 1000, minimumRequests: 600 } }) - plain).toBe(300_000);
    expect(typical({ bakeMs: 20 * 3600 * 1000 })).toBeGreaterThanOrEqual(20 * 3600 * 1000);
    expect(typical({ bakeMs: 1 })).toBe(plain);
  });
});
