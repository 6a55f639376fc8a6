import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { anchorLog, chainProblem, loadAuditLog } from "../../cli/evidence/anchored-log.ts";
import { loadNotes, writeCheckpoint } from "../../cli/evidence/checkpoint-file.ts";
import { createNoteKey, loadPrivateKey, type PrivateNoteKey } from "../../cli/evidence/note-key.ts";
import { recordAudit, verifyAudit } from "../../db/queries/audit.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { digest } from "./sample.ts";

let test: TestDatabase;
let directory: string;
let path: string;
let key: PrivateNoteKey;

beforeEach(async () => {
  test = await createTestDatabase();
  directory = await mkdtemp(join(tmpdir(), "modelwright-anchored-"));
  path = join(directory, "checkpoints.txt");
  await createNoteKey(join(directory, "key"), "example.org/log");
  key = await loadPrivateKey(join(directory, "key"));
  await record(6);
  await sign();
  await record(4);
});
afterEach(async () => {
  await test.close();
  await rm(directory, { recursive: true });
});

async function record(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await test.database.transaction((tx) =>
      recordAudit(tx, {
        actor: "ada",
        subject: "lifecycle/1",
        body: { kind: "lifecycle-started", model: "m", specDigest: digest("spec"), reason: "told", causedBy: null },
      }),
    );
  }
}

const load = () => loadAuditLog({ verifyAudit: (options) => verifyAudit(test.database, options) });
const sign = async () => await writeCheckpoint(await load(), { path, key, formerKeys: [] });

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

/** What the chain alone says, and what the signed checkpoints say. */
async function found(): Promise<{ chain: string | null; anchored: string | null }> {
  const { verification, tree } = await load();
  const { problem } = anchorLog(tree, await loadNotes(path), [key]);
  return { chain: chainProblem(verification)?.kind ?? null, anchored: problem?.kind ?? null };
}

describe("a signed checkpoint outside the database", () => {
  it("agrees with a log that only grew", async () => {
    expect(await found()).toEqual({ chain: null, anchored: null });
    expect(await sign()).toMatchObject({ written: true, size: 10 });
    await record(3);
    expect(await sign()).toMatchObject({ written: true, size: 13 });
    expect(await found()).toEqual({ chain: null, anchored: null });
  });

  it("finds a history that its owner rewrote as a whole, which the chain cannot, and is not signed over it", async () => {
    await tamper(rewrite(2), rechain);
    expect(await found()).toEqual({ chain: null, anchored: "forked" });
    expect(await sign()).toMatchObject({ problem: { kind: "forked" } });
  });

  it("finds an event taken out and the rest renumbered", async () => {
    const renumber = `UPDATE audit_event SET seq = seq - 1,
      body = replace(convert_from(body, 'UTF8'), '"seq":' || seq, '"seq":' || seq - 1)::bytea WHERE seq > 3`;
    await tamper("DELETE FROM audit_event WHERE seq = 3", renumber, rechain);
    expect(await found()).toEqual({ chain: null, anchored: "forked" });
  });

  it("finds a log cut off before it, head and all, and one that is gone", async () => {
    await tamper("DELETE FROM audit_event WHERE seq > 5", rechain);
    expect(await found()).toEqual({ chain: null, anchored: "truncated" });
    expect(await sign()).toMatchObject({ problem: { kind: "truncated" } });
    await tamper("DELETE FROM audit_event", "DELETE FROM audit_head");
    expect(await found()).toEqual({ chain: null, anchored: "truncated" });
    expect(await sign()).toMatchObject({ problem: { kind: "truncated" } });
  });

  it("does not cover what came after it: there the next one does", async () => {
    await tamper(rewrite(8), rechain);
    expect(await found()).toEqual({ chain: null, anchored: null });
  });

  it("is not needed for a chain that is broken in itself, and not signed over it", async () => {
    await tamper(rewrite(8));
    expect((await found()).chain).toBe("modified");
    expect(await sign()).toMatchObject({ problem: { kind: "modified" } });
    await tamper("DELETE FROM audit_event WHERE seq > 8");
    await tamper(
      `UPDATE audit_event SET body = replace(convert_from(body, 'UTF8'), 'sold', 'told')::bytea WHERE seq = 8`,
    );
    expect((await found()).chain).toBe("truncated");
    await tamper("DELETE FROM audit_event WHERE seq = 4");
    expect((await found()).chain).toBe("missing");
  });
});
