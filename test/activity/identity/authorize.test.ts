import { createHash } from "node:crypto";

import { MockActivityEnvironment } from "@temporalio/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { authorize, type AskedFor, type Authority } from "../../../activities/authorize.ts";
import { requestDeed } from "../../../contracts/deeds.ts";
import type { SignedStatement } from "../../../contracts/identity.ts";
import { listTokensFor } from "../../../db/queries/identity.ts";
import { loadOpenings } from "../../../db/queries/person.ts";
import { signStatement } from "../../../db/statement.ts";
import { audited, recordFixtureEvent } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../../database/sample.ts";
import { addAccount, change, type Account } from "./accounts.ts";

let test: TestDatabase;
let ops: Account;
beforeAll(async () => {
  test = await createTestDatabase();
  await addVersion(test.database, "flights", "bytes");
  ops = await addAccount(test.database, { name: "Olga Operator", roles: ["operator"] });
});
afterAll(async () => await test.close());

const pause = requestDeed({ subject: "rollout/live-1", request: "pause" });
let steps = 0;

/** What a step says to somebody who asks for a deed; the same `step` is another attempt of it. */
function ask(asked: Partial<AskedFor> & { readonly by: string }, step = `step-${(steps += 1)}`): Promise<Authority> {
  const workflowExecution = { workflowId: "rollout/live", runId: "run-1" };
  return new MockActivityEnvironment({ activityId: step, workflowExecution }).run(
    () =>
      audited(test.database).transaction((tx) =>
        authorize(tx, { ...pause, model: "flights", environment: "production", ...asked }),
      ) as Promise<never>,
  );
}
const refused = async (asking: Promise<unknown>): Promise<string> =>
  asking.then(
    () => "(accepted)",
    (thrown: { code: string; message: string }) => `${thrown.code}: ${thrown.message}`,
  );
const proving = (proof: SignedStatement, by = ops.ref) => ask({ by, proof });

describe("somebody with a token", () => {
  it("is known by it to gateways in advance when it is good and its scope has the deed", async () => {
    const [loader, caller, revoked] = [
      await addAccount(test.database, { roles: ["operator"], scope: { deeds: ["deploy"] } }),
      await addAccount(test.database, { scope: { deeds: ["infer"] } }),
      await addAccount(test.database, { roles: ["operator"] }),
    ];
    await change(test.database, { change: "revoke-token", token: revoked.token.id });
    const known = await listTokensFor(test.database, "deploy");
    const hashOf = ({ text }: Account) => createHash("sha256").update(text).digest("hex");
    expect(known.get(hashOf(loader))).toMatchObject({ principal: loader.ref, grants: [{ role: "operator" }] });
    for (const other of [caller, revoked]) expect(known.has(hashOf(other))).toBe(false);
  });

  it("is known by the statement it signed: who, why, with what roles", async () => {
    const proof = ops.prove(pause, "holiday traffic");
    const authority = await ask({ by: ops.ref, reason: "holiday traffic", proof });
    expect(authority).toMatchObject({ by: ops.ref, assurance: "signed", roles: ["operator"] });
    expect(authority.reason).toBe(proof.statement.reason);
    expect(authority.statement).toMatch(/^[0-9a-f]{64}$/);
    expect(await loadOpenings(test.database, [authority.reason])).toMatchObject([{ value: "holiday traffic" }]);
  });

  it("may call himself by name, in any letter case, and by no other", async () => {
    expect(await ask({ by: "olga OPERATOR", proof: ops.prove(pause) })).toMatchObject({ by: ops.ref });
    expect(await refused(ask({ by: "grace", proof: ops.prove(pause) }))).toMatch(/^PROOF_REFUSED.*its holder alone/);
  });

  it("is refused with a forged signature, another's token, or a token nobody issued", async () => {
    const other = await addAccount(test.database, { roles: ["operator"] });
    const proof = ops.prove(pause);
    const forged = { ...proof, signature: `${proof.signature.startsWith("A") ? "B" : "A"}${proof.signature.slice(1)}` };
    expect(await refused(proving(forged))).toMatch(/^PROOF_REFUSED.*signature/);
    expect(await refused(proving({ ...proof, token: other.token.id }))).toMatch(/^PROOF_REFUSED.*signature/);
    expect(await refused(proving({ ...proof, token: "0".repeat(16) }))).toMatch(/^PROOF_REFUSED.*issued here/);
    const lent = { ...proof, statement: { ...proof.statement, by: other.ref } };
    expect(await refused(proving(lent, other.ref))).toMatch(/^PROOF_REFUSED.*signature/);
  });

  it("is refused when anything of the statement was changed or is about something else", async () => {
    const proof = ops.prove(pause, "why");
    const altered = (statement: Partial<SignedStatement["statement"]>) =>
      refused(
        ask({ by: ops.ref, reason: "why", proof: { ...proof, statement: { ...proof.statement, ...statement } } }),
      );
    expect(await altered({ subject: "rollout/other" })).toMatch(/signature/);
    expect(await altered({ expiresAt: "2036-01-01T00:00:00.000Z" })).toMatch(/signature/);
    expect(await refused(ask({ by: ops.ref, reason: "another why", proof }))).toMatch(/^PROOF_REFUSED.*another reason/);
    expect(await refused(ask({ by: ops.ref, reason: "why", proof, subject: "rollout/other" }))).toMatch(
      /^PROOF_REFUSED.*about rollout\/live-1/,
    );
    expect(await refused(ask({ by: ops.ref, reason: "why", proof, deed: "abort" }))).toMatch(
      /^PROOF_REFUSED.*about pause/,
    );
    expect(await refused(ask({ by: ops.ref, reason: "why", proof, details: { more: true } }))).toMatch(
      /^PROOF_REFUSED.*other details/,
    );
  });

  it("is refused a second use of a statement, but not another attempt of the same step", async () => {
    const proof = ops.prove(pause);
    const first = await ask({ by: ops.ref, proof }, "the-step");
    expect(await ask({ by: ops.ref, proof }, "the-step")).toEqual(first);
    expect(await refused(ask({ by: ops.ref, proof }, "another-step"))).toMatch(/^PROOF_REFUSED.*used before/);
  });

  it("is refused another statement under a nonce that was used", async () => {
    const proof = ops.prove(pause);
    await ask({ by: ops.ref, proof }, "nonce-step");
    const { token, seed } = { token: ops.token.id, seed: ops.token.seed };
    const statement = { ...proof.statement, issuedAt: new Date().toISOString() };
    const again = { ...proof, token, statement, signature: signStatement(statement, seed) };
    expect(await refused(ask({ by: ops.ref, proof: again }, "nonce-step"))).toMatch(/^PROOF_REFUSED.*used before/);
  });

  it("is refused once statement or token expired, by the database's clock, and at once when revoked", async () => {
    expect(await refused(proving(ops.prove(pause, "", -1)))).toMatch(/^PROOF_REFUSED.*expired/);
    expect(await refused(proving(ops.prove(pause, "", 32 * 24 * 3600 * 1000)))).toMatch(/^PROOF_REFUSED.*31 days/);
    const brief = await addAccount(test.database, { roles: ["operator"] });
    await test.admin.query("ALTER TABLE api_token DISABLE TRIGGER append_only");
    await test.admin.query("BEGIN");
    await recordFixtureEvent(test.admin);
    await test.admin.query("UPDATE api_token SET expires_at = at + interval '1 microsecond' WHERE id = $1", [
      brief.token.id,
    ]);
    await test.admin.query("COMMIT");
    await test.admin.query("ALTER TABLE api_token ENABLE TRIGGER append_only");
    expect(await refused(proving(brief.prove(pause), brief.ref))).toMatch(/^PROOF_REFUSED.*token that expired/);
    const fired = await addAccount(test.database, { roles: ["operator"] });
    const proof = fired.prove(pause);
    await change(test.database, { change: "revoke-token", token: fired.token.id });
    expect(await refused(proving(proof, fired.ref))).toMatch(/^PROOF_REFUSED.*revoked/);
  });

  it("is refused outside the scope of the token", async () => {
    const scoped = (scope: Parameters<typeof addAccount>[1] & object) =>
      addAccount(test.database, { roles: ["administrator"], ...scope });
    const reader = await scoped({ scope: { deeds: ["infer", "feedback"] } });
    expect(await refused(proving(reader.prove(pause), reader.ref))).toMatch(/^DEED_NOT_ALLOWED.*infer, feedback/);
    const elsewhere = await scoped({ scope: { models: ["hotels"] } });
    expect(await refused(proving(elsewhere.prove(pause), elsewhere.ref))).toMatch(/^DEED_NOT_ALLOWED.*models hotels/);
    const staging = await scoped({ scope: { environments: ["staging"] } });
    expect(await refused(proving(staging.prove(pause), staging.ref))).toMatch(
      /^DEED_NOT_ALLOWED.*environments staging/,
    );
  });

  it("is refused without a role that may, here, and as soon as the role is taken away", async () => {
    const nobody = await addAccount(test.database);
    expect(await refused(proving(nobody.prove(pause), nobody.ref))).toMatch(/^DEED_NOT_ALLOWED.*no role/);
    const approver = await addAccount(test.database, { roles: ["approver"] });
    expect(await refused(proving(approver.prove(pause), approver.ref))).toMatch(/^DEED_NOT_ALLOWED.*found approver/);
    const elsewhere = await addAccount(test.database, { roles: ["operator"], model: "hotels" });
    expect(await refused(proving(elsewhere.prove(pause), elsewhere.ref))).toMatch(
      /^DEED_NOT_ALLOWED.*of model flights/,
    );
    const staging = await addAccount(test.database, { roles: ["operator"], environment: "staging" });
    expect(await refused(proving(staging.prove(pause), staging.ref))).toMatch(/^DEED_NOT_ALLOWED.*in production/);
    const was = await addAccount(test.database);
    const grant = await change(test.database, {
      change: "grant",
      who: was.ref,
      role: "operator",
      model: null,
      environment: null,
    });
    await proving(was.prove(pause), was.ref);
    await change(test.database, { change: "revoke", grant });
    expect(await refused(proving(was.prove(pause), was.ref))).toMatch(/^DEED_NOT_ALLOWED/);
  });

  it("reaches as an engineer the models of his team, and those of none", async () => {
    const bird = await addAccount(test.database, { roles: ["engineer"], team: "birds" });
    await proving(bird.prove(pause), bird.ref);
    await test.admin.query("UPDATE model SET team = 'hosts' WHERE name = 'flights'");
    expect(await refused(proving(bird.prove(pause), bird.ref))).toMatch(/^DEED_NOT_ALLOWED.*team hosts/);
    // Registered again, an account changes its team and nothing else.
    await change(test.database, { change: "principal", kind: "person", name: bird.ref, team: "hosts" });
    await proving(bird.prove(pause), bird.ref);
    await test.admin.query("UPDATE model SET team = NULL");
  });
});

describe("somebody without a token", () => {
  it("is believed by his word where that is enough, and known to be", async () => {
    const authority = await ask({ by: "ada", reason: "because" });
    expect(authority).toMatchObject({ assurance: "declared", statement: null, roles: [] });
    expect(authority.by).toMatch(/^person\//);
  });

  it("is refused where proof is required, from that moment to the next change", async () => {
    await change(test.database, { change: "identity", mode: "required" });
    expect(await refused(ask({ by: "ada" }))).toMatch(/^PROOF_REQUIRED.*ada gives no proof/);
    await proving(ops.prove(pause));
    await change(test.database, { change: "identity", mode: "declared" });
    await ask({ by: "ada" });
  });
});

describe("an erased person", () => {
  it("can do nothing more with what was signed before", async () => {
    const leaving = await addAccount(test.database, { name: "leaving-canary", roles: ["operator"] });
    const proof = leaving.prove(pause);
    await change(test.database, { change: "erase", who: "leaving-canary" });
    expect(await refused(proving(proof, leaving.ref))).toMatch(/^PROOF_REFUSED.*revoked/);
    const { rows } = await test.admin.query<{ events: string }>(
      "SELECT string_agg(convert_from(body, 'UTF8'), '') AS events FROM audit_event",
    );
    expect(rows[0]?.events).not.toContain("leaving-canary");
    expect(rows[0]?.events).not.toContain(leaving.text);
  });
});
