import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { checkLog, signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../../adapters/checkpoints/checkpoint-file.ts";
import { createNoteKey, loadPrivateKey, type PrivateNoteKey } from "../../../adapters/checkpoints/note-key.ts";
import type { AuditLog } from "../../../contracts/audit-log.ts";
import { openDatabase, type Database } from "../../../db/client.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { createAuditLog } from "../../../db/queries/audit-log.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { digest } from "../sample.ts";

/** The ways in which audit chains in Postgres were found broken elsewhere: research on governance, 2.2. A8 to A10 are about grants. */

let test: TestDatabase;
let log: AuditLog;
let directory: string;
let path: string;
let key: PrivateNoteKey;

beforeEach(async () => {
  test = await createTestDatabase();
  log = createAuditLog(test.database);
  directory = await mkdtemp(join(tmpdir(), "modelwright-attacks-"));
  path = join(directory, "checkpoints.txt");
  await createNoteKey(join(directory, "key"), "example.org/log");
  key = await loadPrivateKey(join(directory, "key"));
});
afterEach(async () => {
  await test.close();
  await rm(directory, { recursive: true });
});

const recordIn = (database: Database, stream = "modelwright") =>
  database.transaction((tx) =>
    recordAudit(tx, {
      stream,
      actor: "ada",
      subject: "lifecycle/1",
      body: { kind: "lifecycle-started", model: "m", specDigest: digest("spec"), reason: "told", causedBy: null },
    }),
  );

async function record(count: number, stream?: string): Promise<void> {
  for (let index = 0; index < count; index += 1) await recordIn(test.database, stream);
}

const sign = (whole = false) => signLog(log, { path, key, formerKeys: [], whole });
const signed = (size: number) => ({ checkpoints: [{ stream: "modelwright", size }] });

/** As the owner of the database, who can do anything to it and knows how the chain is made. */
async function tamper(...statements: string[]): Promise<void> {
  await test.admin.query("SET session_replication_role = replica");
  await test.admin.query("ALTER TABLE audit_event DROP CONSTRAINT IF EXISTS audit_event_check");
  for (const statement of statements) await test.admin.query(statement);
  await test.admin.query("SET session_replication_role = DEFAULT");
}

/** Every hash from there on anew, and the head to match: a chain without a flaw. */
const rechain = `DO $$ DECLARE last bytea := decode(repeat('00', 32), 'hex'); event audit_event; BEGIN
  FOR event IN SELECT * FROM audit_event WHERE stream = 'modelwright' ORDER BY seq LOOP
    UPDATE audit_event SET previous_hash = last, hash = sha256(last || event.body)
      WHERE stream = 'modelwright' AND seq = event.seq;
    last := sha256(last || event.body);
  END LOOP;
  UPDATE audit_head SET hash = last, seq = (SELECT count(*) FROM audit_event WHERE stream = 'modelwright')
    WHERE stream = 'modelwright';
END $$`;
const rewrite = (seq: number) =>
  `UPDATE audit_event SET body = replace(convert_from(body, 'UTF8'), 'told', 'sold')::bytea WHERE seq = ${seq}`;
const nodesAnew = ["DELETE FROM audit_node", "SELECT keep_audit_nodes('modelwright')"];

/** What the chain alone says, and what the signed checkpoints say as well. */
async function found(): Promise<{ chain: string | null; anchored: string | null }> {
  const alone = await checkLog(log);
  const anchored = await checkLog(log, { notes: await loadNotes(path), keys: [key] });
  return { chain: alone.problem?.kind ?? null, anchored: anchored.problem?.kind ?? null };
}
const whole = { chain: null, anchored: null };

describe("A1, A2: 64 writers at once, from an empty table", () => {
  it("make neither a fork nor a gap in 10,000 events", { timeout: 300_000 }, async () => {
    const writers = openDatabase({ url: test.applicationUrl, maximumConnections: 64 });
    const numbers: number[] = [];
    const work = Array.from({ length: 64 }, async () => {
      while (numbers.length < 10_000 - 63) numbers.push(await recordIn(writers));
    });
    await Promise.all(work);
    await writers.close();
    await record(10_000 - numbers.length);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(Math.min(...numbers)).toBe(1);
    expect(Math.max(...numbers)).toBe(numbers.length);
    expect(await log.verify()).toEqual({ ok: true, events: 10_000 });
  });
});

describe("A4: a transaction that began earlier and appends later", () => {
  it("comes later in the chain, with a later time", async () => {
    await test.database.transaction(async (early) => {
      await early.execute("SELECT 1");
      expect(await recordIn(test.database)).toBe(1);
      const late = { actor: "grace", subject: "lifecycle/2" };
      const body = { kind: "lifecycle-status", status: "running", outcome: null, failureCode: null } as const;
      expect(await recordAudit(early, { ...late, body })).toBe(2);
    });
    const { rows } = await test.admin.query<{ rises: boolean }>(
      "SELECT max(at) FILTER (WHERE seq = 2) > max(at) FILTER (WHERE seq = 1) AS rises FROM audit_event",
    );
    expect(rows).toEqual([{ rises: true }]);
    expect(await log.verify()).toEqual({ ok: true, events: 2 });
  });
});

describe("a log that only grew", () => {
  it("agrees with every checkpoint, and a new one reads only what came since", async () => {
    await record(6);
    expect(await sign()).toMatchObject({ ...signed(6), whole: true });
    await record(4);
    expect(await found()).toEqual(whole);
    expect(await sign()).toMatchObject({ ...signed(10), whole: false });
    await record(3);
    expect(await sign(true)).toMatchObject({ ...signed(13), whole: true });
    expect(await found()).toEqual(whole);
  });
});

describe("A5: the tail is cut off", () => {
  it("is found by the head, and with the head rewritten by a checkpoint", async () => {
    await record(10);
    await sign();
    await tamper("DELETE FROM audit_event WHERE seq > 5");
    expect((await found()).chain).toBe("truncated");
    await tamper(rechain);
    expect(await found()).toEqual({ chain: null, anchored: "truncated" });
    expect(await sign()).toMatchObject({ problem: { kind: "truncated" } });
  });
});

describe("A6: a whole stream is deleted", () => {
  it.each(["modelwright", "another", "other/ä+b"])("is missing (%s)", async (stream) => {
    await record(3);
    await record(4, stream);
    await sign();
    await record(1, stream);
    expect(await found()).toEqual(whole);
    await tamper(
      `DELETE FROM audit_event WHERE stream = '${stream}'`,
      `DELETE FROM audit_node WHERE stream = '${stream}'`,
      `DELETE FROM audit_head WHERE stream = '${stream}'`,
    );
    expect(await found()).toEqual({ chain: null, anchored: "missing" });
    expect(await sign()).toMatchObject({ problem: { kind: "missing" } });
    expect(await sign(true)).toMatchObject({ problem: { kind: "missing" } });
  });

  it("is missing when every stream is", async () => {
    await record(3);
    await sign();
    await tamper("DELETE FROM audit_event", "DELETE FROM audit_head");
    expect(await found()).toEqual({ chain: null, anchored: "missing" });
    expect(await sign()).toMatchObject({ problem: { kind: "missing" } });
  });
});

describe("A7: the past is rewritten as a whole, hashes, head and nodes", () => {
  it("is forked from the checkpoint, and not signed over it", async () => {
    await record(6);
    await sign();
    await record(4);
    await tamper(rewrite(2), rechain);
    expect(await found()).toEqual({ chain: null, anchored: "forked" });
    expect(await sign()).toMatchObject({ problem: { kind: "forked" } });
    expect(await sign(true)).toMatchObject({ problem: { kind: "forked" } });
  });

  it("is found with an event taken out and the rest renumbered", async () => {
    await record(6);
    await sign();
    await record(4);
    const renumber = `UPDATE audit_event SET seq = seq - 1,
      body = replace(convert_from(body, 'UTF8'), '"seq":' || seq, '"seq":' || seq - 1)::bytea WHERE seq > 3`;
    await tamper("DELETE FROM audit_event WHERE seq = 3", renumber, rechain);
    expect(await found()).toEqual({ chain: null, anchored: "forked" });
  });

  it("after the newest checkpoint is found by the next one only", async () => {
    await record(6);
    await sign();
    await record(4);
    await tamper(rewrite(8), rechain);
    expect(await found()).toEqual(whole);
  });

  it("below a kept node: the nodes give it away when they are made anew, a whole reading when they are not", async () => {
    await record(600);
    await sign();
    await record(1);
    await tamper(rewrite(100), rechain);
    // What is signed commits to the events that were signed before, and not to the rows that now stand in their place.
    expect(await sign()).toMatchObject({ ...signed(601), whole: false });
    expect(await found()).toEqual({ chain: "modified", anchored: "forked" });
    expect(await sign(true)).toMatchObject({ problem: { kind: "forked" } });
    await tamper(...nodesAnew);
    expect(await found()).toEqual({ chain: null, anchored: "forked" });
    await record(1);
    expect(await sign()).toMatchObject({ problem: { kind: "forked" } });
  });
});

describe("a chain that is broken in itself", () => {
  it("is modified, truncated or missing without any checkpoint, and nothing is signed over it", async () => {
    await record(6);
    await sign();
    await record(4);
    await tamper(rewrite(8));
    expect((await found()).chain).toBe("modified");
    expect(await sign()).toMatchObject({ problem: { kind: "modified" } });
    await tamper("DELETE FROM audit_event WHERE seq > 8");
    await tamper(
      `UPDATE audit_event SET body = replace(convert_from(body, 'UTF8'), 'sold', 'told')::bytea WHERE seq = 8`,
    );
    expect((await found()).chain).toBe("truncated");
    expect(await sign()).toMatchObject({ problem: { kind: "truncated" } });
    await tamper("DELETE FROM audit_event WHERE seq = 4");
    expect((await found()).chain).toBe("missing");
    expect(await sign(true)).toMatchObject({ problem: { kind: "missing" } });
  });
});
