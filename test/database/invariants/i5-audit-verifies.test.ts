import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { canonicalBytes } from "../../../db/canonical.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { connectApplication, type Application } from "../application.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";

let test: TestDatabase;
let app: Application;

beforeAll(async () => {
  test = await createTestDatabase();
  app = await connectApplication(test);
  for (let count = 0; count < 3; count += 1) {
    await test.database.transaction((tx) =>
      recordAudit(tx, {
        actor: "ada",
        subject: "lifecycle/one",
        body: { kind: "lifecycle-status", status: "running", outcome: null, failureCode: null },
      }),
    );
  }
});
afterAll(async () => {
  await app.close();
  await test.close();
});

const STREAM = "modelwright";
const BODY = '{"kind":"lifecycle-status"}';
const event = (changed: object) =>
  canonicalBytes({ stream: STREAM, seq: 4, actor: "service/eve", subject: "lifecycle/one", body: {}, ...changed });

/** Appends bytes as the owner's own functions do, with the time of the head, and tells what it is refused with. */
async function attempt(seq: number, changed: object): Promise<string> {
  await test.admin.query("BEGIN");
  try {
    const { rows } = await test.admin.query<{ at: string }>("SELECT at FROM lock_audit_head($1)", [STREAM]);
    const bytes = event({ at: rows[0]?.at, body: { kind: "k" }, ...changed });
    return await refusalOf(test.admin.query("SELECT append_audit_event($1, $2, $3)", [STREAM, seq, bytes]));
  } finally {
    await test.admin.query("ROLLBACK");
  }
}

describe("I5: the audit log verifies, whatever the application tries", () => {
  it("to choose number, time or bytes of an event", async () => {
    expect(await app.refusal("SELECT append_audit_event($1, 4, $2)", [STREAM, event({})])).toBe(PERMISSION_DENIED);
    const record = (body: string) =>
      app.trial(["SELECT record_audit($1, 'service/eve', NULL, 'lifecycle/one', $2)", [STREAM, body]]);
    for (const body of ["null", "[]", "1", '"text"'])
      expect([body, await record(body)]).toEqual([body, "audit_event_has_body"]);
    for (const body of [`${BODY},"seq":1`, `${BODY}}`, "{", "", '{"kind":"\\u0000"}']) {
      expect([body, await record(body)]).not.toContain("(accepted)");
    }
    expect(await record("{}")).toBe("23502");
    expect(await record(BODY)).toBe("(accepted)");
  });

  it("and the functions it calls are held to the same: the number is the next", async () => {
    expect(await attempt(4, {})).toBe("(accepted)");
    for (const [seq, refusal] of [
      [0, "audit_event_seq_check"],
      [1, "audit_event_pkey"],
      [3, "audit_event_pkey"],
      [5, "audit_event_follows_head"],
    ]) {
      expect([seq, await attempt(Number(seq), { seq })]).toEqual([seq, refusal]);
    }
  });

  it("the bytes say what the place of the event is, who, what and about what", async () => {
    expect(await attempt(4, { seq: 3 })).toBe("audit_event_tells_its_place");
    expect(await attempt(4, { stream: "elsewhere" })).toBe("audit_event_tells_its_place");
    for (const left of ["seq", "at", "actor", "subject", "body"]) {
      expect([left, await attempt(4, { [left]: undefined })]).not.toContain("(accepted)");
    }
  });

  it("the time is the transaction's", async () => {
    for (const at of ["2001-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"]) {
      expect(await attempt(4, { at })).toBe("audit_event_in_its_time");
    }
  });

  it("to write or change log and head itself", async () => {
    for (const statement of [
      "INSERT INTO audit_event SELECT * FROM audit_event",
      "UPDATE audit_event SET actor = 'eve'",
      "DELETE FROM audit_event",
      "UPDATE audit_head SET seq = 0",
      "INSERT INTO audit_head VALUES ('mine', 0, '')",
      "DELETE FROM audit_head",
    ]) {
      expect([statement, await app.refusal(statement)]).toEqual([statement, PERMISSION_DENIED]);
    }
  });

  it("and the columns to search by are read out of what was hashed", async () => {
    await app.write(["SELECT record_audit($1, 'service/eve', NULL, 'lifecycle/two', $2)", [STREAM, BODY]]);
    const { rows } = await app.client.query(
      "SELECT actor, kind, subject FROM audit_event WHERE stream = $1 AND seq = 4",
      [STREAM],
    );
    expect(rows).toEqual([{ actor: "service/eve", kind: "lifecycle-status", subject: "lifecycle/two" }]);
    expect(await verifyAudit(test.database)).toMatchObject({ ok: true, events: 5 });
  });
});
