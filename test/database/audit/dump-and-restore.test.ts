import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client } from "pg";
import { expect, inject, it } from "vitest";

import { checkLog, signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../../adapters/checkpoints/checkpoint-file.ts";
import { createNoteKey, loadPrivateKey } from "../../../adapters/checkpoints/note-key.ts";
import { openDatabase, type Database } from "../../../db/client.ts";
import { migrate } from "../../../db/migrate.ts";
import { createAuditLog, verifyAudit } from "../../../db/queries/audit-log.ts";
import { createTestDatabase } from "../../support/database.ts";
import { runPostgresTool } from "../../support/postgres-tools.ts";
import { schemaOf } from "../../support/schema.ts";
import { startLife } from "../approval/life.ts";
import { APPEND_ONLY, refusalOf } from "../refusal.ts";
import { owner, say, tag } from "../registry/say.ts";

/** A digest of all rows of every table, by its name. */
async function rowsOf(admin: Client): Promise<Readonly<Record<string, string | null>>> {
  const tables = await admin.query<{ name: string }>(
    "SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
  );
  const found: Record<string, string | null> = {};
  for (const { name } of tables.rows) {
    const { rows } = await admin.query<{ digest: string | null }>(
      `SELECT md5(string_agg(kept::text, E'\\n' ORDER BY kept::text)) AS digest FROM ${name} AS kept`,
    );
    found[name] = rows[0]?.digest ?? null;
  }
  return found;
}

interface Restored {
  readonly admin: Client;
  readonly database: Database;
  close(): Promise<void>;
}

/** What an operator does: an empty database, the dump into it, and `migrate`, which makes the application's login. */
async function restore(dump: string): Promise<Restored> {
  const server = new Client({ connectionString: inject("adminUrl") });
  await server.connect();
  const name = `restored_${randomBytes(5).toString("hex")}`;
  await server.query(`CREATE DATABASE ${name}`);
  const url = new URL(inject("adminUrl"));
  url.pathname = `/${name}`;
  await runPostgresTool("pg_restore", ["--exit-on-error", `--dbname=${url.href}`, dump]);
  const { applicationUrl, heldBack } = await migrate({ adminUrl: url.href, applicationPassword: name });
  expect(heldBack).toEqual([]);
  const admin = new Client({ connectionString: url.href });
  await admin.connect();
  const database = openDatabase({ url: applicationUrl });
  return {
    admin,
    database,
    close: async () => {
      await database.close();
      await admin.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.query(`DROP ROLE IF EXISTS modelwright_app_${name}`);
      await server.end();
    },
  };
}

it("A3: pg_dump and pg_restore keep the log as it was signed, every row and every rule, and life goes on there", async () => {
  const directory = await mkdtemp(join(tmpdir(), "modelwright-dump-"));
  const original = await createTestDatabase();
  let restored: Restored | undefined;
  try {
    const life = await startLife(original.database);
    await life.setPolicy({ quorum: 1 });
    await life.decide("Grace äöü", { reason: 'read the report: "good"\n' });
    await life.promote();
    await say(original.database, { model: life.model }, owner("Ada"), tag("Länder", "NO\t'n\\"));

    const path = join(directory, "checkpoints.txt");
    await createNoteKey(join(directory, "key"), "example.org/log");
    const key = await loadPrivateKey(join(directory, "key"));
    const log = createAuditLog(original.database);
    await signLog(log, { path, key, formerKeys: [], whole: true });
    const dump = join(directory, "modelwright.dump");
    await runPostgresTool("pg_dump", ["--format=custom", `--file=${dump}`, original.adminUrl]);

    restored = await restore(dump);
    const anchored = { notes: await loadNotes(path), keys: [key] };
    const { problem, streams, events } = await checkLog(createAuditLog(restored.database), anchored);
    expect(problem).toBeUndefined();
    expect(events).toBe((await verifyAudit(original.database)).events);
    expect(streams.map(({ agreed }) => agreed.length)).toEqual(streams.map(() => 1));
    expect(await rowsOf(restored.admin)).toEqual(await rowsOf(original.admin));
    expect(await schemaOf(restored.admin)).toEqual(await schemaOf(original.admin));

    await say(restored.database, { model: life.model }, tag("after", "the restore"));
    expect(await refusalOf(restored.admin.query("DELETE FROM audit_event"))).toBe(APPEND_ONLY);
    expect((await verifyAudit(restored.database)).events).toBe(events + 1);
  } finally {
    await restored?.close();
    await original.close();
    await rm(directory, { recursive: true });
  }
});
