import { describe, expect, it } from "vitest";
import { rolloutPlanSchema, type CanaryHealth } from "../../../contracts/rollout.ts";
import { judgeRollout } from "../../../core/rollout/judge.ts";
import { judgeTripwires } from "../../../core/rollout/tripwires.ts";
import { emptyEpoch } from "./simulate.ts";

const well = { gateway: "g1", exits: 0, unreadyMs: 0, schemaMismatches: 0 };
const seen = (changes: Partial<typeof well> = {}, newest = { requests: 20, errors: 1 }): CanaryHealth => ({
  newest,
  gateways: [well, { ...well, gateway: "g2", ...changes }],
});

describe("the tripwires of a rollout", () => {
  it("are quiet for a canary that works, and for what nobody observed", () => {
    expect(judgeTripwires(seen())).toEqual([]);
    expect(judgeTripwires({ newest: { requests: 0, errors: 0 } })).toEqual([]);
  });

  it.each([
    [{ exits: 3 }, { exits: 2 }, "its process on gateway g2 ended 3 times in ten minutes"],
    [{ unreadyMs: 30_000 }, { unreadyMs: 29_999 }, "it has not been ready on gateway g2 for 30 s"],
    [{ schemaMismatches: 1 }, { schemaMismatches: 0 }, "1 answers on gateway g2 were not of its signature's tensors"],
  ])("are met by %o on one gateway and not by %o", (met, unmet, clause) => {
    expect(judgeTripwires(seen(met))).toEqual([clause]);
    expect(judgeTripwires(seen(unmet))).toEqual([]);
  });

  it("are met when all of the newest 20 requests were errors, not by 19 of them nor by 19 requests", () => {
    expect(judgeTripwires(seen({}, { requests: 20, errors: 20 }))).toEqual([
      "all of its newest 20 requests were errors",
    ]);
    expect(judgeTripwires(seen({}, { requests: 20, errors: 19 }))).toEqual([]);
    expect(judgeTripwires(seen({}, { requests: 19, errors: 19 }))).toEqual([]);
  });

  it("roll back at any look, before there is enough for a verdict and whatever the split", () => {
    const plan = rolloutPlanSchema.parse({});
    const look = (health?: CanaryHealth) =>
      judgeRollout({ plan, step: 0, counts: [emptyEpoch(1, 0.05)], firstDeployment: false, health });
    expect(look()).toMatchObject({ verdict: "hold" });
    expect(look()).not.toHaveProperty("health");
    const tripped = look(seen({ exits: 5 }));
    expect(tripped).toMatchObject({ verdict: "rollback", stepDone: false, health: seen({ exits: 5 }) });
    expect(tripped.reason).toContain("ended 5 times");
  });
});
