import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { canonicalBytes, digestOf } from "../../../db/canonical.ts";
import { loadApprovalCase, type ApprovalCase } from "../../../db/queries/approval-case.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addEvaluation, addLifecycle, addVersion, digest } from "../sample.ts";

let test: TestDatabase;
let app: Application;
let asked: ApprovalCase;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  const version = await addVersion(test.database, "flights", "bytes", "ada");
  await addEvaluation(test.database, version);
  await addLifecycle(test.database, "lc-1", "flights", "ada");
  asked = await loadApprovalCase(test.database, { versionId: version.id, environment: "production" });
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const approval = (fields: object = {}) =>
  record("approval", {
    id: randomUUID(),
    lifecycle: null,
    round: null,
    decision: "approve",
    decided_by: "grace",
    started_by: asked.author,
    reason: "fine",
    evidence: `\\x${canonicalBytes(asked.evidence).toString("hex")}`,
    evidence_digest: digestOf(asked.evidence),
    ...fields,
  });

describe("I8: who made a version does not approve it", () => {
  it("in whatever letter case, nor under a lent name", async () => {
    expect(await app.trial(approval({ decided_by: "ada" }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: "ADA" }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: " ada " }))).not.toBe("(accepted)");
    expect(await app.trial(approval({ decided_by: asked.author }))).toBe("approval_not_by_author");
    expect(await app.trial(approval({ decided_by: "ada", started_by: "somebody else" }))).toBe(
      "approval_of_version_by_author",
    );
    expect(await app.trial(approval())).toBe("(accepted)");
  });

  it("nor in the way of the release before, about a round and without evidence", async () => {
    const { rows } = await app.client.query<{ author: string }>(
      "SELECT started_by AS author FROM lifecycle WHERE id = 'lc-1'",
    );
    const round = { lifecycle: "lc-1", round: 1, evidence: null, evidence_digest: digest("report") };
    const before = { ...round, started_by: rows[0]?.author };
    expect(await app.trial(approval({ ...before, decided_by: "ada" }))).toBe("approval_not_by_author");
    expect(await app.trial(approval(before))).toBe("approval_has_evidence");
  });

  it("nor by changing who made it, or a decision that was taken", async () => {
    await app.write(approval());
    for (const statement of [
      "UPDATE model_version SET created_by = 'eve'",
      "UPDATE approval SET decided_by = 'eve'",
      "INSERT INTO approval (id) SELECT id FROM approval",
      "DELETE FROM approval",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
    expect(await refusalOf(test.admin.query("UPDATE model_version SET created_by = 'eve'"))).toBe(APPEND_ONLY);
  });
});
