import { describe, expect, it } from "vitest";
import { rolloutLookSchema, rolloutPlanSchema, type EpochCounts } from "../../../contracts/rollout.ts";
import { judgeObservation } from "../../../core/rollout/judge-observation.ts";
import { recomputeRollout } from "../../../core/rollout/recompute.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { binomial, emptyEpoch } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({
  steps: [5000],
  guardrails: [{ name: "error-rate", atMost: 0.01 }, { name: "latency" }, { name: "wrong-label-rate" }],
});
/** Of the plan's guardrails, what a champion that is just good enough has: slow twice as often as the one before it. */
const LEVELS = { errors: 0.01, slow: 0.1 };
const LOOKS = 60;
const A_LOOK = 400;
const RUNS = 200;
const health = { newest: { requests: 20, errors: 1 } };

const counted = (requests: number, errors: number, slow: number): EpochCounts => ({
  ...emptyEpoch(7, 1),
  requests: { champion: 0, canary: requests },
  errors: { champion: 0, canary: errors },
  slow: { champion: 0, canary: slow },
});
const look = (counts: readonly EpochCounts[]) => judgeObservation({ plan, step: 0, counts, health });

/** The look at which a new champion with so many times the levels is taken back; null when none is. */
function takenBackAt(rates: { readonly errors: number; readonly slow: number }, seed: number): number | null {
  const source = createRandom(seed);
  const random = () => source.uniform();
  const sums = { errors: 0, slow: 0 };
  for (let number = 1; number <= LOOKS; number += 1) {
    sums.errors += binomial(random, A_LOOK, LEVELS.errors * rates.errors);
    sums.slow += binomial(random, A_LOOK, LEVELS.slow * rates.slow);
    const { verdict } = look([counted(number * A_LOOK, sums.errors, sums.slow)]);
    if (verdict === "rollback") return number;
  }
  return null;
}
const takenBack = (rates: { readonly errors: number; readonly slow: number }) =>
  Array.from({ length: RUNS }, (_, seed) => takenBackAt(rates, seed)).filter((at) => at !== null);

describe("a promotion that is observed", () => {
  it("is taken back in less than 5 % of the cases while it is exactly at its levels, however often one looks", () => {
    expect(takenBack({ errors: 1, slow: 1 }).length / RUNS).toBeLessThan(plan.falseRollbackRate);
  });

  it.each([
    [{ errors: 3, slow: 1 }, "error-rate: worse than allowed"],
    [{ errors: 0, slow: 3 }, "latency: worse than allowed"],
  ])("is taken back soon with %o times its levels", (rates, reason) => {
    const at = takenBack(rates);
    expect(at).toHaveLength(RUNS);
    expect(at.toSorted((a, b) => a - b)[RUNS / 2]).toBeLessThan(10);
    const harmful = look([counted(4000, LEVELS.errors * rates.errors * 4000, LEVELS.slow * rates.slow * 4000)]);
    expect(harmful).toMatchObject({ verdict: "rollback", phase: "observe" });
    expect(harmful.reason).toContain(`after its promotion; ${reason}`);
  });

  it("is judged by what has a level, holds without data, and is recomputed, by looks of earlier releases too", () => {
    const looks = [look([]), look([emptyEpoch(7, 1)]), look([counted(4000, 400, 0)])];
    expect(looks.map(({ verdict }) => verdict)).toEqual(["hold", "hold", "rollback"]);
    expect(looks.map(({ guardrails }) => guardrails.map(({ name }) => name))).toEqual([
      [],
      ["error-rate", "latency"],
      ["error-rate", "latency"],
    ]);
    const digest = "a".repeat(64);
    const basis = { planDigest: digest, latencyThresholdMs: 5, firstDeployment: false };
    const recorded = {
      plan,
      planDigest: digest,
      storedPlanDigest: digest,
      auditedPlanDigest: digest,
      latencyThresholdMs: 5,
      firstDeployment: false,
      status: "rolled-back" as const,
      outcome: "",
      looks: looks.map((one, index) => ({
        number: index + 1,
        verdict: one.verdict,
        look: rolloutLookSchema.parse({ ...one, basis }),
      })),
    };
    expect(recomputeRollout(recorded)).toMatchObject({ matches: true });
    const [first, second, third] = recorded.looks;
    if (!first || !second || !third) throw new Error("three looks were taken");
    const fewer = { ...third, look: { ...third.look, counts: [counted(4000, 4, 0)] } };
    expect(recomputeRollout({ ...recorded, looks: [first, second, fewer] })).toMatchObject({ matches: false });
  });
});
