import { createHash } from "node:crypto";

import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { auditEventSchema, type AuditBody } from "../../../contracts/audit.ts";
import { canonicalBytes } from "../../../db/canonical.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { verifyAudit } from "../../../db/queries/audit-log.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { PERMISSION_DENIED, refusalOf } from "../refusal.ts";
import { addArtifact, digest } from "../sample.ts";

let test: TestDatabase;
let stream = "";
let streams = 0;

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});
beforeEach(() => {
  streams += 1;
  stream = `stream-${streams}`;
});

const body = (reason: string): AuditBody => ({
  kind: "lifecycle-started",
  model: "flights",
  specDigest: digest("spec"),
  reason,
  causedBy: null,
});

const record = (reason: string) =>
  test.database.transaction((tx) =>
    recordAudit(tx, { stream, actor: "ada", subject: "lifecycle/1", body: body(reason) }),
  );

/** As somebody who can do anything to the database but knows no better than to change rows. */
async function tamper(statement: string, values: unknown[] = []): Promise<void> {
  await test.admin.query("SET session_replication_role = replica");
  await test.admin.query(statement, values);
  await test.admin.query("SET session_replication_role = DEFAULT");
}

describe("the audit chain", () => {
  it("has neither fork nor gap with 16 writers at once, from an empty stream on", async () => {
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      const numbers: number[] = [];
      for (let index = 0; index < 5; index += 1) numbers.push(await record(`${writer}/${index}`));
      return numbers;
    });
    const numbers = (await Promise.all(writers)).flat().sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
    expect(await verifyAudit(test.database, { stream })).toEqual({ ok: true, events: 80 });
  });

  it("can be recomputed by anybody from the stored bytes", async () => {
    for (const reason of ["first", "zweite – Umlaut ä", "third"]) await record(reason);
    const { rows } = await test.admin.query<{ body: Buffer; hash: Buffer }>(
      "SELECT body, hash FROM audit_event WHERE stream = $1 ORDER BY seq",
      [stream],
    );
    let previous: Buffer = Buffer.alloc(32);
    for (const row of rows) {
      previous = createHash("sha256").update(previous).update(row.body).digest();
      expect(row.hash).toEqual(previous);
    }
    expect(JSON.parse(rows[1]?.body.toString("utf8") ?? "")).toMatchObject({
      seq: 2,
      body: { reason: "zweite – Umlaut ä" },
    });
  });

  it("stores canonical bytes, whatever is in them: the database puts together what RFC 8785 would", async () => {
    const characters = fc.string({ unit: "binary", maxLength: 30 }).map((text) => text.replaceAll("\0", ""));
    const told = fc.record({ subject: characters.filter((text) => text !== ""), model: characters });
    await fc.assert(
      fc.asyncProperty(told, fc.option(fc.constant(digest("statement"))), async ({ subject, model }, statement) => {
        await test.database.transaction((tx) =>
          recordAudit(tx, { stream, actor: "ada", statement, subject, body: { ...body("told"), model } as AuditBody }),
        );
      }),
      { numRuns: 200 },
    );
    const { rows } = await test.admin.query<{ body: Buffer }>("SELECT body FROM audit_event WHERE stream = $1", [
      stream,
    ]);
    expect(rows).toHaveLength(200);
    for (const row of rows) {
      const event = auditEventSchema.parse(JSON.parse(row.body.toString("utf8")));
      expect(row.body.equals(canonicalBytes(event))).toBe(true);
    }
    expect(await verifyAudit(test.database, { stream })).toEqual({ ok: true, events: 200 });
  });

  it("takes no fields of the event out of its body, and no body that is none", async () => {
    for (const smuggled of ['{"kind":"x"},"subject":"other"', "[]", "1", ""]) {
      const recording = test.admin.query("SELECT record_audit($1, 'ada', NULL, 'x/1', $2)", [stream, smuggled]);
      await expect(recording).rejects.toThrow(/json|object/);
    }
    expect(await verifyAudit(test.database, { stream })).toMatchObject({ problem: { kind: "missing" } });
  });

  it("gives back the number of an event whose transaction fails", async () => {
    await record("kept");
    const failing = test.database.transaction(async (tx) => {
      await recordAudit(tx, { stream, actor: "ada", subject: "lifecycle/1", body: body("lost") });
      throw new Error("killed");
    });
    await expect(failing).rejects.toThrow("killed");
    expect(await record("next")).toBe(2);
    expect(await verifyAudit(test.database, { stream })).toEqual({ ok: true, events: 2 });
  });

  it.each([
    [
      "body",
      "UPDATE audit_event SET body = replace(convert_from(body, 'UTF8'), 'second', 'sacond')::bytea WHERE stream = $1 AND seq = 2",
    ],
    ["time", "UPDATE audit_event SET at = at - interval '1 day' WHERE stream = $1 AND seq = 2"],
    ["actor", "UPDATE audit_event SET actor = 'mallory' WHERE stream = $1 AND seq = 2"],
    ["kind", "UPDATE audit_event SET kind = 'other' WHERE stream = $1 AND seq = 2"],
  ])("finds a changed %s", async (_what, statement) => {
    for (const reason of ["first", "second", "third"]) await record(reason);
    await tamper("ALTER TABLE audit_event DROP CONSTRAINT IF EXISTS audit_event_check");
    await tamper(statement, [stream]);
    expect(await verifyAudit(test.database, { stream })).toEqual({
      ok: false,
      events: 1,
      problem: { stream, seq: 2, kind: "modified" },
    });
  });

  it("finds a changed event whose hash was computed anew", async () => {
    for (const reason of ["first", "second", "third"]) await record(reason);
    await tamper(
      `UPDATE audit_event SET body = changed, hash = sha256(previous_hash || changed)
       FROM (SELECT replace(convert_from(body, 'UTF8'), 'second', 'sacond')::bytea AS changed FROM audit_event
             WHERE stream = $1 AND seq = 2) AS forged WHERE stream = $1 AND seq = 2`,
      [stream],
    );
    expect(await verifyAudit(test.database, { stream })).toMatchObject({
      ok: false,
      problem: { seq: 3, kind: "modified" },
    });
  });

  it("finds an event missing in the middle, a cut tail, a forged head and a lost stream", async () => {
    for (const reason of ["first", "second", "third", "fourth"]) await record(reason);
    await tamper("DELETE FROM audit_event WHERE stream = $1 AND seq = 4", [stream]);
    expect((await verifyAudit(test.database, { stream })).problem).toEqual({ stream, seq: 4, kind: "truncated" });
    await tamper("UPDATE audit_head SET seq = 3 WHERE stream = $1", [stream]);
    expect((await verifyAudit(test.database, { stream })).problem).toEqual({ stream, seq: 3, kind: "modified" });
    await tamper("DELETE FROM audit_event WHERE stream = $1 AND seq = 2", [stream]);
    expect((await verifyAudit(test.database, { stream })).problem).toEqual({ stream, seq: 2, kind: "missing" });
    await tamper("DELETE FROM audit_event WHERE stream = $1", [stream]);
    await tamper("DELETE FROM audit_head WHERE stream = $1", [stream]);
    expect((await verifyAudit(test.database, { stream })).problem).toEqual({ stream, seq: 1, kind: "missing" });
  });

  it("lets nobody insert an event that does not follow the head, and the application none at all", async () => {
    await record("first");
    const insertion = (seq: number, previous: string) =>
      `INSERT INTO audit_event (stream, seq, at, actor, kind, subject, body, previous_hash, hash)
       VALUES ('${stream}', ${seq}, now(), 'mallory', 'k', 's', 'x', ${previous}, sha256(${previous} || 'x'::bytea))`;
    const insert = (seq: number, previous: string) => refusalOf(test.admin.query(insertion(seq, previous)));
    const zeros = "decode(repeat('00', 32), 'hex')";
    expect(await insert(2, zeros)).toBe("audit_event_follows_head");
    expect(await insert(3, `(SELECT hash FROM audit_head WHERE stream = '${stream}')`)).toBe(
      "audit_event_follows_head",
    );
    expect(await insert(1, zeros)).toBe("audit_event_pkey");
    const asApplication = test.database.transaction((tx) => tx.execute(insertion(2, zeros)));
    expect(await refusalOf(asApplication)).toBe(PERMISSION_DENIED);
    expect(await verifyAudit(test.database, { stream })).toEqual({ ok: true, events: 1 });
  });

  it("is written with what it tells of, or not at all", async () => {
    const outcome = test.database.transaction(async (tx) => {
      await addArtifact(tx, "unaudited");
      const unknown = { ...body("x"), kind: "made-up" } as unknown as AuditBody;
      await recordAudit(tx, { stream, actor: "ada", subject: "artifact/x", body: unknown });
    });
    await expect(outcome).rejects.toThrow(/kind/);
    const { rowCount } = await test.admin.query("SELECT FROM artifact WHERE digest = $1", [digest("unaudited")]);
    expect(rowCount).toBe(0);
  });
});
