import { randomBytes, randomUUID } from "node:crypto";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { ApprovalEvidence } from "../../../contracts/approval.ts";
import { STATEMENT_FORMAT, type Deed, type Statement } from "../../../contracts/identity.ts";
import { canonicalBytes, digestOf } from "../../../db/canonical.ts";
import { loadApprovalCase, type ApprovalCase } from "../../../db/queries/approval-case.ts";
import { attribute } from "../../../db/queries/person.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, record, type Application } from "../application.ts";
import { addEvaluation, addVersion, digest } from "../sample.ts";

let test: TestDatabase;
let app: Application;
let asked: ApprovalCase;
/** Refs of people. */
let grace: string;
let eve: string;
const TOKENS = { grace: "00000000000000aa", eve: "00000000000000bb" };

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  const version = await addVersion(test.database, "flights", "bytes");
  await addEvaluation(test.database, version);
  asked = await loadApprovalCase(test.database, { versionId: version.id, environment: "production" });
  const refOf = async (by: string) =>
    (await audited(test.database).transaction((tx) => attribute(tx, { by, reason: "" }))).by;
  [grace, eve] = [await refOf("grace"), await refOf("eve")];
  for (const [who, ref] of Object.entries({ grace, eve })) {
    const token = TOKENS[who as keyof typeof TOKENS];
    await app.write(
      record("principal", { ref, kind: "person", registered_by: "root" }),
      record("api_token", {
        id: token,
        principal: ref,
        label: "laptop",
        hash: digest(token),
        public_key: "A".repeat(43),
        scope: {},
        expires_at: new Date(Date.now() + 3_600_000),
        issued_by: "root",
        reason: "",
      }),
    );
  }
});
afterAll(async () => {
  await app.close();
  await test.close();
});

/** Past all our code, as somebody who holds the application's login: only the database can refuse it. */
const approval = (changes: Partial<ApprovalEvidence> = {}, fields: object = {}) => {
  const evidence = { ...asked.evidence, ...changes };
  return record("approval", {
    id: randomUUID(),
    lifecycle: null,
    round: null,
    decision: "approve",
    decided_by: grace,
    started_by: asked.author,
    reason: "",
    evidence: `\\x${canonicalBytes(evidence).toString("hex")}`,
    evidence_digest: digestOf(evidence),
    ...fields,
  });
};

interface Signing {
  readonly by?: string;
  readonly token?: string;
  readonly deed?: Deed;
  readonly decision?: string;
  readonly evidence?: string;
}

/** A statement that was accepted before, and the digest it is known by. */
function signed({ by = grace, token = TOKENS.grace, deed = "decide", decision = "approve", evidence }: Signing = {}) {
  const statement: Statement = {
    format: STATEMENT_FORMAT,
    deed,
    subject: "model/flights@1",
    by,
    reason: "",
    details: digestOf({ decision, evidence: evidence ?? asked.evidenceDigest }),
    issuedAt: "2026-01-01T00:00:00.000Z",
    expiresAt: "2026-01-01T01:00:00.000Z",
    nonce: randomBytes(16).toString("hex"),
  };
  const known = digestOf(statement);
  const row = { nonce: statement.nonce, token, digest: known, statement, signature: "s", used_for: "test" };
  return { digest: known, recording: record("signed_statement", row) };
}

describe("an approval that somebody forges past the code", () => {
  it("is accepted when it is none", async () => {
    expect(await app.trial(approval())).toBe("(accepted)");
    const own = signed();
    expect(await app.trial(own.recording, approval({}, { statement: own.digest }))).toBe("(accepted)");
  });

  it("is refused when its digest is not of its evidence", async () => {
    expect(await app.trial(approval({}, { evidence_digest: digest("other") }))).toBe("approval_evidence_is_digested");
  });

  it("is refused over other evidence than the present: bytes, evaluation, policy", async () => {
    expect(await app.trial(approval({ modelDigest: digest("other bytes") }))).toBe("approval_of_these_bytes");
    expect(await app.trial(approval({ policy: digest("a laxer policy") }))).toBe("approval_over_present_evidence");
    expect(await app.trial(approval({ evaluation: null }))).toBe("approval_over_present_evidence");
    const other = await addVersion(test.database, "flights", "bytes that failed");
    const { id } = await addEvaluation(test.database, other, "fail");
    const failed = {
      versionId: other.id,
      modelDigest: other.artifact,
      evaluation: { id, report: null, gates: digest("g") },
    };
    expect(await app.trial(approval(failed))).toBe("approval_over_present_evidence");
    const borrowed = { ...failed, evaluation: asked.evidence?.evaluation ?? null };
    expect(await app.trial(approval(borrowed))).toBe("approval_over_present_evidence");
  });

  it("cannot choose when it was decided or how long it counts", async () => {
    const [row] = await app.write<{ decided_at: Date; expires_at: Date }>(
      approval({}, { decided_at: "1999-01-01", expires_at: "2999-01-01", renewal: 7 }),
    );
    const found = row ?? { decided_at: new Date(0), expires_at: new Date(0) };
    expect(found.expires_at.getTime() - found.decided_at.getTime()).toBe(asked.terms.expiresInMs);
    expect(Math.abs(found.decided_at.getTime() - Date.now())).toBeLessThan(600_000);
  });

  it("takes no statement of somebody else, about something else, for another deed, or that is not on record", async () => {
    const lent = [
      signed({ by: eve, token: TOKENS.eve }),
      signed({ decision: "reject" }),
      signed({ evidence: digest("other evidence") }),
      signed({ deed: "deploy" }),
    ];
    for (const { digest: known, recording } of lent) {
      expect(await app.trial(recording, approval({}, { statement: known }))).toBe("statement_is_about_this");
    }
    expect(await app.trial(approval({}, { statement: digest("never signed") }))).toBe("statement_is_about_this");
  });

  it("does not count a second time under the same statement", async () => {
    const own = signed({ by: eve, token: TOKENS.eve });
    await app.write(own.recording, approval({}, { decided_by: eve, statement: own.digest }));
    const again = await app.write(approval({}, { decided_by: eve, statement: own.digest, decision: "approve" }));
    expect(again).toEqual([]);
  });
});
