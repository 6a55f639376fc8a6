import { describe, expect, it } from "vitest";
import { rolloutLookSchema, rolloutPlanSchema, type RolloutLook } from "../../../contracts/rollout.ts";
import { recomputeRollout, type RecordedRollout } from "../../../core/rollout/recompute.ts";
import { simulateRollout } from "./simulate.ts";

const plan = rolloutPlanSchema.parse({});
const planDigest = "a".repeat(64);
const rates = { errors: 0.001, slow: 0.05, wrong: 0.2 };

/** Looks of a simulated rollout as they are stored: JSON, parsed again. */
function recorded(canary = rates): RecordedRollout {
  const looks: RolloutLook[] = [];
  const world = { requestsPerLook: 600, champion: () => rates, canary: () => canary };
  const { verdict } = simulateRollout(plan, world, 200, 3, (look) =>
    looks.push(
      rolloutLookSchema.parse(
        JSON.parse(
          JSON.stringify({ ...look, basis: { planDigest, latencyThresholdMs: 12.5, firstDeployment: false } }),
        ),
      ),
    ),
  );
  return {
    plan,
    planDigest,
    storedPlanDigest: planDigest,
    auditedPlanDigest: planDigest,
    latencyThresholdMs: 12.5,
    firstDeployment: false,
    status: verdict === "promote" ? "promoted" : "rolled-back",
    outcome: looks.at(-1)?.reason ?? null,
    looks: looks.map((look, index) => ({ number: index + 1, verdict: look.verdict, look })),
  };
}

/** The record with one look changed, last first. */
function forged(of: RecordedRollout, change: (look: RolloutLook) => RolloutLook, back = 1): RecordedRollout {
  const at = of.looks.length - back;
  const looks = of.looks.map((one, index) => {
    const look = index === at ? change(one.look) : one.look;
    return { number: one.number, verdict: look.verdict, look };
  });
  return { ...of, looks };
}

describe("recomputing a rollout", () => {
  const promoted = recorded();

  it("matches a promotion and a rollback as they were recorded", () => {
    expect(promoted.status).toBe("promoted");
    expect(recomputeRollout(promoted)).toMatchObject({
      matches: true,
      planDifferences: [],
      decision: { matches: true },
    });
    const harmful = recorded({ ...rates, wrong: 0.5 });
    expect(harmful.status).toBe("rolled-back");
    expect(recomputeRollout(harmful)).toMatchObject({ matches: true, decision: { matches: true } });
  });

  it("finds a verdict that does not follow from its counts, and a promotion that rests on it", () => {
    const holding = { ...promoted, looks: promoted.looks.slice(0, -1) };
    const found = recomputeRollout(forged(holding, (look) => ({ ...look, verdict: "promote" })));
    expect(found).toMatchObject({ matches: false, decision: { matches: false } });
    expect(found.looks.at(-1)).toMatchObject({ recorded: "promote", recomputed: "hold", matches: false });
    expect(found.looks.slice(0, -1).every(({ matches }) => matches)).toBe(true);
  });

  it("finds counts that were changed after the verdict, and evidence that was changed without them", () => {
    const fewerErrors = forged(promoted, (look) => ({
      ...look,
      counts: look.counts.map((one) => ({ ...one, wrong: { ...one.wrong, canary: one.wrong.canary + 1 } })),
    }));
    const fields = (of: RecordedRollout) =>
      recomputeRollout(of)
        .looks.at(-1)
        ?.differences.map(({ field }) => field);
    expect(fields(fewerErrors)).toContain("look.guardrails.2.canaryEvents");
    const safer = forged(promoted, (look) => ({
      ...look,
      guardrails: look.guardrails.map((one) => ({ ...one, safetyEvidence: one.safetyEvidence * 1.001 })),
    }));
    expect(fields(safer)).toContain("look.guardrails.0.safetyEvidence");
  });

  it("finds a look that is missing, one of a step the plan does not have, and one judged by another plan", () => {
    const gap = { ...promoted, looks: promoted.looks.toSpliced(1, 1) };
    expect(recomputeRollout(gap).looks[1]?.differences).toEqual([{ field: "number", recorded: 3, recomputed: 2 }]);
    const beyond = recomputeRollout(forged(promoted, (look) => ({ ...look, step: 9 })));
    expect(beyond).toMatchObject({ matches: false, decision: { matches: false } });
    const other = { planDigest: "b".repeat(64), latencyThresholdMs: 12.5, firstDeployment: false };
    expect(recomputeRollout(forged(promoted, (look) => ({ ...look, basis: other }))).looks.at(-1)).toMatchObject({
      differences: [{ field: "basis.planDigest" }],
    });
  });

  it("finds a plan that is not the one recorded at the start or told to the audit trail", () => {
    const changed = recomputeRollout({ ...promoted, storedPlanDigest: "b".repeat(64) });
    expect(changed).toMatchObject({ matches: false, planDifferences: [{ field: "planDigest" }] });
    const rewritten = recomputeRollout({ ...promoted, auditedPlanDigest: "b".repeat(64) });
    expect(rewritten).toMatchObject({ matches: false, planDifferences: [{ field: "auditedPlanDigest" }] });
  });

  it("accepts another wording of a reason, and a look from before bases were kept", () => {
    const reworded = forged(promoted, (look) => ({ ...look, basis: undefined, reason: "all is well" }));
    expect(recomputeRollout(reworded).matches).toBe(true);
  });

  it("needs no look for a first deployment or for giving traffic back, and one for any other promotion", () => {
    const bare = { ...promoted, looks: [] };
    expect(recomputeRollout(bare).decision.matches).toBe(false);
    expect(recomputeRollout({ ...bare, firstDeployment: true }).decision.matches).toBe(true);
    expect(recomputeRollout({ ...bare, status: "aborted" }).decision.matches).toBe(true);
    expect(recomputeRollout({ ...bare, status: "running" }).decision.matches).toBe(true);
  });
});
