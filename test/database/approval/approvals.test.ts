import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { approvalPolicySchema, POLICY_FORMAT } from "../../../contracts/approval.ts";
import { digestOf } from "../../../db/canonical.ts";
import { loadApprovalCase } from "../../../db/queries/approval-case.ts";
import { findPolicyInForce, listPolicies } from "../../../db/queries/approval-policy.ts";
import { listAlarms } from "../../../db/queries/alarm.ts";
import { listBrokenGlass, recordBreakGlass, useBreakGlass } from "../../../db/queries/break-glass.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { refusalOf } from "../refusal.ts";
import { startLife } from "./life.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => await test.close());

const NEEDS_APPROVAL = "routing_epoch_needs_approval";
const life = () => startLife(test.database);

/** Changes what nobody can: time passes in a test. */
async function behindTheScenes(statement: string, id: string): Promise<void> {
  await test.admin.query("SET session_replication_role = replica");
  await test.admin.query(statement, [id]);
  await test.admin.query("SET session_replication_role = DEFAULT");
}

describe("a policy", () => {
  it("has a default that asks for one approval of anybody but the author, good for 30 days", async () => {
    const { policy, digest } = await findPolicyInForce(test.database, {
      model: "none",
      environment: null,
      at: new Date(),
    });
    expect(policy).toEqual(approvalPolicySchema.parse({ format: POLICY_FORMAT, model: null, environment: null }));
    expect(digest).toBe(digestOf(policy));
  });

  it("of a model comes before that of all models, holds from when it was set, and can be taken away", async () => {
    const { model, setPolicy } = await life();
    const at = new Date();
    const held = async (when = new Date(Date.now() + 60_000)) =>
      (await findPolicyInForce(test.database, { model, environment: "production", at: when })).policy;
    expect((await held()).environment).toBe(null);
    await setPolicy({ quorum: 3 });
    expect(await held()).toMatchObject({ quorum: 3, model });
    expect((await held(at)).environment).toBe(null);
    await setPolicy({ quorum: 4, roles: ["approver"] });
    expect(await held()).toMatchObject({ quorum: 4, roles: ["approver"] });
    expect((await listPolicies(test.database, { model })).map(({ policy }) => policy.quorum)).toEqual([4, 1]);
    await setPolicy(null);
    expect((await held()).environment).toBe(null);
  });

  it("is not loosened by anything but another entry: it cannot be changed, and no quorum is below one", async () => {
    expect(await refusalOf(test.admin.query("UPDATE approval_policy SET reason = 'other'"))).toBe("23000");
    const { setPolicy } = await life();
    await expect(setPolicy({ quorum: 0 })).rejects.toThrow(/quorum/);
    await expect(setPolicy({ quorum: 11 })).rejects.toThrow(/quorum/);
  });
});

describe("an approval", () => {
  it("is of two different people where two are asked for; the same one twice stays one", async () => {
    const { setPolicy, decide, promote } = await life();
    await setPolicy({ quorum: 2 });
    expect(await decide("grace")).toMatchObject({ status: "waiting", missing: 1 });
    expect(await decide("Grace")).toMatchObject({ status: "waiting", missing: 1 });
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    expect(await decide("linus")).toMatchObject({ status: "approved" });
    await promote();
  });

  it("of two people at once is seen as two", async () => {
    const { setPolicy, decide } = await life();
    await setPolicy({ quorum: 2 });
    const standings = await Promise.all([decide("grace"), decide("linus")]);
    expect(standings.map(({ status }) => status).sort()).toEqual(["approved", "waiting"]);
  });

  it("is not taken from the author, in whatever letter case", async () => {
    const { decide } = await life();
    await expect(decide("ada")).rejects.toMatchObject({ code: "APPROVAL_BY_AUTHOR" });
    await expect(decide("ADA")).rejects.toMatchObject({ code: "APPROVAL_BY_AUTHOR" });
  });

  it("of other evidence than the present is refused, and one that was given is void when a later evaluation fails", async () => {
    const { setPolicy, decide, evaluate, promote, version } = await life();
    await setPolicy({});
    await expect(decide("grace", { evidenceDigest: "0".repeat(64) })).rejects.toMatchObject({
      code: "APPROVAL_EVIDENCE_CHANGED",
    });
    const asked = await loadApprovalCase(test.database, { versionId: version.id, environment: "production" });
    expect(await decide("grace", { evidenceDigest: asked.evidenceDigest ?? "" })).toMatchObject({ status: "approved" });
    await evaluate("pass");
    await evaluate("fail");
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    await expect(decide("linus")).rejects.toMatchObject({ code: "APPROVAL_EVIDENCE_CHANGED" });
    await evaluate("pass");
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    expect(await decide("grace")).toMatchObject({ status: "approved" });
    await promote();
  });

  it("stays good when a later evaluation passes too", async () => {
    const { setPolicy, decide, evaluate, promote } = await life();
    await setPolicy({});
    await decide("grace");
    await evaluate("pass");
    expect(await refusalOf(promote())).toBe("(accepted)");
  });

  it("counts no more when the policy was tightened in between, and again when it is the old one", async () => {
    const { setPolicy, decide, promote } = await life();
    await setPolicy({});
    expect(await decide("grace")).toMatchObject({ status: "approved" });
    await setPolicy({ quorum: 2 });
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    expect(await decide("grace")).toMatchObject({ status: "waiting", missing: 1 });
    await setPolicy({});
    await promote();
  });

  it("expires, and can be given again", async () => {
    const { setPolicy, decide, promote, version } = await life();
    await setPolicy({ expiresInMs: 60_000 });
    expect(await decide("grace")).toMatchObject({ status: "approved" });
    await behindTheScenes("UPDATE approval SET expires_at = decided_at WHERE model_version = $1", version.id);
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    expect(await decide("grace")).toMatchObject({ status: "approved" });
    await promote();
  });

  it("is outweighed by one rejection", async () => {
    const { setPolicy, decide, promote } = await life();
    await setPolicy({});
    expect(await decide("linus", { decision: "reject" })).toMatchObject({ status: "rejected" });
    expect(await decide("grace")).toMatchObject({ status: "rejected" });
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
  });

  it("of a role nobody gave him is refused where the policy names roles", async () => {
    const { setPolicy, decide } = await life();
    await setPolicy({ roles: ["approver"] });
    await expect(decide("grace")).rejects.toMatchObject({ code: "APPROVAL_NOT_COUNTED" });
    await setPolicy({ requiresSignature: true });
    await expect(decide("grace")).rejects.toMatchObject({ code: "APPROVAL_NOT_COUNTED" });
  });
});

describe("traffic where a policy asks for approvals", () => {
  it("is refused by the database without them, by rollout and by hand", async () => {
    const { setPolicy, promote, route, version } = await life();
    await setPolicy({});
    expect(await refusalOf(promote())).toBe(NEEDS_APPROVAL);
    expect(await refusalOf(route(version))).toBe(NEEDS_APPROVAL);
  });

  it("is free to go back to a former champion, whose approval nobody asks for", async () => {
    const { setPolicy, decide, promote, route, version, another } = await life();
    await promote();
    await setPolicy({});
    const second = await another();
    await decide("grace", {}, second);
    await promote(second);
    expect(await refusalOf(route(version))).toBe("(accepted)");
  });

  it("is given by a broken glass once, with an alarm, and the glass stays on record", async () => {
    const { setPolicy, decide, promote, version, another } = await life();
    await setPolicy({ quorum: 2 });
    expect(await decide("ada", { breakGlass: true, reason: "the site is down" })).toMatchObject({ status: "approved" });
    const [broken] = await listBrokenGlass(test.database, { versionIds: [version.id] });
    const glass = broken?.id ?? "";
    expect((await listAlarms(test.database, { open: true })).map(({ id }) => id)).toContain(broken?.alarm);
    const use = (rollout: string) =>
      audited(test.database).transaction((tx) => useBreakGlass(tx, { id: glass, rollout }));
    const rollout = await promote(version, use);
    expect(await listBrokenGlass(test.database, { versionIds: [version.id] })).toMatchObject([
      { rollout, environment: "production" },
    ]);
    expect(await refusalOf(promote(await another(), use))).toBe("break_glass_use_pkey");
    expect(await decide("grace")).toMatchObject({ status: "waiting" });
  });

  it("is not given by a glass that was broken for another version or environment, or a day ago", async () => {
    const { setPolicy, promote, version, another } = await life();
    await setPolicy({});
    const { model, number } = version;
    const breakFor = (versionId: string, environment: string) =>
      audited(test.database).transaction((tx) =>
        recordBreakGlass(tx, {
          versionId,
          version: `${model}@${number}`,
          environment,
          by: "root",
          reason: "test",
          statement: null,
        }),
      );
    const elsewhere = await breakFor(version.id, "staging");
    const other = await breakFor((await another()).id, "production");
    const old = await breakFor(version.id, "production");
    await behindTheScenes("UPDATE break_glass SET broken_at = broken_at - interval '25 hours' WHERE id = $1", old.id);
    for (const { id } of [elsewhere, other, old]) {
      const use = (rollout: string) => audited(test.database).transaction((tx) => useBreakGlass(tx, { id, rollout }));
      expect(await refusalOf(promote(version, use))).toBe(NEEDS_APPROVAL);
    }
  });
});
