import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { decide } from "../../../activities/decide.ts";
import type { ApprovalStanding } from "../../../contracts/approval.ts";
import { breakGlassDeed, decideDeed } from "../../../contracts/deeds.ts";
import type { SignedStatement } from "../../../contracts/identity.ts";
import type { Decision } from "../../../contracts/messages.ts";
import { judgeStanding } from "../../../core/approval/judge-approvals.ts";
import { listApprovals, loadApprovalCase, type ApprovalCase } from "../../../db/queries/approval-case.ts";
import { listBrokenGlass, useBreakGlass } from "../../../db/queries/break-glass.ts";
import { reveal } from "../../../db/queries/reveal.ts";
import { loadProofs } from "../../../db/queries/signed-statement.ts";
import { isSignedBy } from "../../../db/statement.ts";
import { startLife, type ApprovalLife } from "../../database/approval/life.ts";
import { refusalOf } from "../../database/refusal.ts";
import { executionContext } from "../../database/sample.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addAccount, change, type Account } from "../identity/accounts.ts";

let test: TestDatabase;
let grace: Account;
let linus: Account;
beforeAll(async () => {
  test = await createTestDatabase();
  grace = await addAccount(test.database, { name: "grace", roles: ["approver"] });
  linus = await addAccount(test.database, { name: "linus", roles: ["approver"] });
});
afterAll(async () => await test.close());

const PLACE = "production";
const REASON = "looked at it";
let steps = 0;

/** A version under a policy that counts only what approvers signed. */
async function strictLife(): Promise<ApprovalLife & { readonly asked: ApprovalCase }> {
  const life = await startLife(test.database);
  await life.setPolicy({ roles: ["approver"], requiresSignature: true });
  const asked = await loadApprovalCase(test.database, { versionId: life.version.id, environment: PLACE });
  return { ...life, asked };
}

/** What the step that records decisions answers; the same `step` is another attempt of it. */
function say(
  { version }: ApprovalLife,
  given: Partial<Decision>,
  step = `step-${(steps += 1)}`,
): Promise<ApprovalStanding> {
  const decision: Decision = { decision: "approve", by: grace.ref, reason: REASON, ...given };
  const workflowExecution = { workflowId: "decision/1", runId: "run-1" };
  return new MockActivityEnvironment({ activityId: step, workflowExecution }).run(
    () =>
      test.database.transaction((tx) =>
        decide(tx, executionContext, { versionId: version.id, environment: PLACE }, decision),
      ) as Promise<never>,
  );
}

const deedOf = ({ version, evidenceDigest }: ApprovalCase, decision: Decision["decision"] = "approve") =>
  decideDeed({ version: `${version.model}@${version.number}`, decision, evidence: evidenceDigest ?? "" });
const refused = (saying: Promise<unknown>): Promise<string> =>
  saying.then(
    () => "(accepted)",
    (thrown: { code: string; message: string }) => `${thrown.code}: ${thrown.message}`,
  );

describe("a signed approval", () => {
  it("counts by its signature and role, lets the version in, and can be checked by anybody afterwards", async () => {
    const life = await strictLife();
    const proof = grace.prove(deedOf(life.asked), REASON);
    expect(await say(life, { proof })).toMatchObject({ status: "approved", by: [grace.ref] });
    const { rows } = await test.admin.query<{ statement: string }>(
      "SELECT statement FROM approval WHERE model_version = $1",
      [life.version.id],
    );
    const [kept] = await loadProofs(test.database, [rows[0]?.statement ?? ""]);
    expect(kept && isSignedBy(kept.statement, kept.signature, kept.publicKey)).toBe(true);
    await life.promote();
  });

  it("is one approval when its step is tried again, and refused when another step replays it", async () => {
    const life = await strictLife();
    const proof = grace.prove(deedOf(life.asked), REASON);
    const first = await say(life, { proof }, "a step");
    expect(await say(life, { proof }, "a step")).toEqual(first);
    expect(await refused(say(life, { proof }))).toMatch(/^PROOF_REFUSED.*used before/);
  });

  it("is refused when it is forged, of another's token, or of somebody it does not name", async () => {
    const life = await strictLife();
    const proof = grace.prove(deedOf(life.asked), REASON);
    const flipped = `${proof.signature.startsWith("A") ? "B" : "A"}${proof.signature.slice(1)}`;
    expect(await refused(say(life, { proof: { ...proof, signature: flipped } }))).toMatch(/^PROOF_REFUSED.*signature/);
    expect(await refused(say(life, { proof: { ...proof, token: linus.token.id } }))).toMatch(
      /^PROOF_REFUSED.*signature/,
    );
    expect(await refused(say(life, { by: "linus", proof }))).toMatch(/^PROOF_REFUSED/);
  });

  it("is refused when it was signed for another decision, other evidence or another version, or too long ago", async () => {
    const life = await strictLife();
    const other = await strictLife();
    const wrong: SignedStatement[] = [
      grace.prove(deedOf(life.asked, "reject"), REASON),
      grace.prove(deedOf({ ...life.asked, evidenceDigest: "0".repeat(64) }), REASON),
      grace.prove(deedOf(other.asked), REASON),
      grace.prove(deedOf(life.asked), REASON, -1),
    ];
    for (const proof of wrong) expect(await refused(say(life, { proof }))).toMatch(/^PROOF_REFUSED/);
    expect(await say(life, { proof: grace.prove(deedOf(life.asked), REASON) })).toMatchObject({ status: "approved" });
  });

  it("signed before the evaluation failed is refused after it", async () => {
    const life = await strictLife();
    const proof = grace.prove(deedOf(life.asked), REASON);
    await life.evaluate("fail");
    await life.evaluate("pass");
    expect(await refused(say(life, { proof }))).toMatch(/^PROOF_REFUSED/);
  });

  it("is asked for by the policy: a name alone does not count, nor a token whose holder may not decide", async () => {
    const life = await strictLife();
    expect(await refused(say(life, { by: "grace" }))).toMatch(/^APPROVAL_NOT_COUNTED.*signed/);
    const engineer = await addAccount(test.database, { roles: ["engineer"] });
    const proof = engineer.prove(deedOf(life.asked), REASON);
    expect(await refused(say(life, { by: engineer.ref, proof }))).toMatch(/^DEED_NOT_ALLOWED/);
    const elsewhere = await addAccount(test.database, { roles: ["approver"], environment: "staging" });
    const there = elsewhere.prove(deedOf(life.asked), REASON);
    expect(await refused(say(life, { by: elsewhere.ref, proof: there }))).toMatch(/^DEED_NOT_ALLOWED/);
  });

  it("is not taken from the author, whichever of his tokens he uses", async () => {
    const life = await strictLife();
    for (const name of ["ada", "ADA"]) {
      const author = await addAccount(test.database, { name, roles: ["approver"] });
      const proof = author.prove(deedOf(life.asked), REASON);
      expect(await refused(say(life, { by: author.ref, proof }))).toMatch(/^APPROVAL_BY_AUTHOR/);
    }
  });

  it("of one person under two tokens is one of a quorum of two", async () => {
    const life = await startLife(test.database);
    await life.setPolicy({ quorum: 2, roles: ["approver"], requiresSignature: true });
    const asked = await loadApprovalCase(test.database, { versionId: life.version.id, environment: PLACE });
    const again = await addAccount(test.database, { name: "grace" });
    expect(await say(life, { proof: grace.prove(deedOf(asked), REASON) })).toMatchObject({ missing: 1 });
    expect(await say(life, { proof: again.prove(deedOf(asked), REASON) })).toMatchObject({ missing: 1 });
    const second = linus.prove(deedOf(asked), REASON);
    expect(await say(life, { by: linus.ref, proof: second })).toMatchObject({ status: "approved" });
  });
});

describe("a signed approval whose token or role is taken away afterwards", () => {
  const NEEDS_APPROVAL = "routing_epoch_needs_approval";
  const reviewer = () => addAccount(test.database, { roles: ["approver"] });
  const approved = async (life: Awaited<ReturnType<typeof strictLife>>, who: Account): Promise<void> => {
    const proof = who.prove(deedOf(life.asked), REASON);
    expect(await say(life, { by: who.ref, proof })).toMatchObject({ status: "approved" });
  };
  const standing = async ({ version }: ApprovalLife) =>
    judgeStanding(await loadApprovalCase(test.database, { versionId: version.id, environment: PLACE }));
  const proofOf = async ({ version }: ApprovalLife) => {
    const asked = await loadApprovalCase(test.database, { versionId: version.id, environment: PLACE });
    const [one] = await listApprovals(test.database, asked);
    return (await loadProofs(test.database, [one?.statement ?? null]))[0];
  };
  const grantOf = async ({ ref }: Account): Promise<string> => {
    const { rows } = await test.admin.query<{ id: string }>("SELECT id FROM role_grant WHERE principal = $1", [ref]);
    return rows[0]?.id ?? "";
  };

  it("stays good, as it was when it was signed, and tells that the token was revoked since, and why", async () => {
    const life = await strictLife();
    const who = await reviewer();
    await approved(life, who);
    expect(await proofOf(life)).toMatchObject({ revoked: null });
    await change(test.database, { change: "revoke", grant: await grantOf(who) });
    await change(test.database, { change: "revoke-token", token: who.token.id });
    expect(await standing(life)).toMatchObject({ status: "approved" });
    const proof = await reveal(test.database, await proofOf(life));
    expect(proof).toMatchObject({ revoked: { at: expect.any(Date) as Date, reason: "fixture", compromised: false } });
    await life.promote();
  });

  it("is void where the token was compromised, in our judgement and in the database's; he may decide again by another", async () => {
    const life = await strictLife();
    const who = await reviewer();
    await approved(life, who);
    await change(test.database, { change: "revoke-token", token: who.token.id });
    await change(test.database, { change: "revoke-token", token: who.token.id, compromised: true });
    expect(await standing(life)).toMatchObject({
      status: "void",
      says: expect.stringMatching(/compromised/) as string,
    });
    expect(await refusalOf(life.promote())).toBe(NEEDS_APPROVAL);
    expect(await proofOf(life)).toMatchObject({ revoked: { compromised: true } });
    await approved(life, await addAccount(test.database, { name: who.ref }));
    await life.promote();
  });

  it("is void where the role it counted by was compromised, and another grant of it counts again", async () => {
    const life = await strictLife();
    const who = await reviewer();
    await approved(life, who);
    await change(test.database, { change: "revoke", grant: await grantOf(who), compromised: true });
    expect(await standing(life)).toMatchObject({ status: "void" });
    expect(await refusalOf(life.promote())).toBe(NEEDS_APPROVAL);
    await change(test.database, { change: "grant", who: who.ref, role: "approver", model: null, environment: null });
    await approved(life, who);
    await life.promote();
  });

  it("goes on letting in what it had let in: a rollout that was entitled when it began goes on to its end", async () => {
    const life = await strictLife();
    const who = await reviewer();
    await approved(life, who);
    const compromised = { change: "revoke-token", token: who.token.id, compromised: true } as const;
    await life.promote(life.version, async () => void (await change(test.database, compromised)));
    expect(await standing(life)).toMatchObject({ status: "void" });
  });

  it("and a glass that was broken with a compromised token is whole again", async () => {
    const life = await strictLife();
    const deed = breakGlassDeed({ version: `${life.model}@1`, environment: PLACE });
    const operator = await addAccount(test.database, { roles: ["operator"] });
    await say(life, { by: operator.ref, breakGlass: true, proof: operator.prove(deed, REASON) });
    expect(await standing(life)).toMatchObject({ status: "approved" });
    await change(test.database, { change: "revoke-token", token: operator.token.id, compromised: true });
    expect(await standing(life)).toMatchObject({ status: "waiting" });
    const [broken] = await listBrokenGlass(test.database, { versionIds: [life.version.id] });
    const past = (id: string) =>
      audited(test.database).transaction((tx) => useBreakGlass(tx, { id: broken?.id ?? "", rollout: id }));
    expect(await refusalOf(life.promote(life.version, past))).toBe(NEEDS_APPROVAL);
  });
});

describe("a glass", () => {
  it("is broken by an operator's signature and not by an approver's", async () => {
    const life = await strictLife();
    const deed = breakGlassDeed({ version: `${life.model}@1`, environment: PLACE });
    const breaking = (who: Account) => say(life, { by: who.ref, breakGlass: true, proof: who.prove(deed, REASON) });
    expect(await refused(breaking(grace))).toMatch(/^DEED_NOT_ALLOWED/);
    const operator = await addAccount(test.database, { roles: ["operator"] });
    expect(await breaking(operator)).toMatchObject({ status: "approved", by: [] });
    const [broken] = await listBrokenGlass(test.database, { versionIds: [life.version.id] });
    expect(broken).toMatchObject({ by: operator.ref, statement: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
  });
});

describe("where everybody must show a token", () => {
  it("nothing is decided by a name alone", async () => {
    const life = await startLife(test.database);
    await change(test.database, { change: "identity", mode: "required" });
    expect(await refused(say(life, { by: "grace" }))).toMatch(/^PROOF_REQUIRED/);
    expect(await refused(say(life, { by: "root", breakGlass: true }))).toMatch(/^PROOF_REQUIRED/);
    await change(test.database, { change: "identity", mode: "declared" });
  });
});
