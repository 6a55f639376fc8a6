import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";

import { Client, DatabaseError } from "pg";

import { Failure } from "../contracts/failures.ts";
import { ensureGroups, ensureLoginRole } from "./roles.ts";

export interface MigrateOptions {
  /** Connection string of a role that may create roles and owns the database. */
  readonly adminUrl: string;
  /** Password the application role gets; printable ASCII. */
  readonly applicationPassword: string;
}

const MIGRATIONS = new URL("./migrations/", import.meta.url);
/** Any constant: it keeps two migrations of one database apart. */
const LOCK = 7_203_114_551;

/**
 * Brings the schema forward, each migration in a transaction, and makes the application role, which owns no table. Safe to
 * call at every start and by several processes at once. Returns the application's connection string; it holds the password.
 * Fails with STACK_NOT_STARTED when an applied migration is not the one of this release, or the role may not do it.
 */
export async function migrate({ adminUrl, applicationPassword }: MigrateOptions): Promise<{ applicationUrl: string }> {
  if (!/^[\x21-\x7e]+$/.test(applicationPassword)) {
    throw refused("the application password is empty or not printable ASCII", "give another one");
  }
  const client = new Client({ connectionString: adminUrl, application_name: "modelwright migrate" });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [LOCK]);
    await ensureGroups(client);
    await applyMigrations(client);
    const login = await ensureLoginRole(client, applicationPassword);
    const url = new URL(adminUrl);
    url.username = encodeURIComponent(login);
    url.password = encodeURIComponent(applicationPassword);
    return { applicationUrl: url.href };
  } catch (thrown) {
    if (thrown instanceof DatabaseError && thrown.code === "42501") {
      throw refused(thrown.message, "give the address of a role that owns the database and may create roles", thrown);
    }
    throw thrown;
  } finally {
    // Ends the session, and with it the lock.
    await client.end();
  }
}

async function applyMigrations(client: Client): Promise<void> {
  await client.query(
    `CREATE TABLE IF NOT EXISTS schema_migration (
       name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const { rows } = await client.query<{ name: string; checksum: string }>(
    "SELECT name, checksum FROM schema_migration",
  );
  const applied = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
  const unknown = [...applied.keys()].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw refused(`migration ${unknown.join(", ")} is applied and not part of this release`, "run the newer release");
  }
  for (const name of names) {
    const text = await readFile(new URL(name, MIGRATIONS), "utf8");
    const checksum = createHash("sha256").update(text).digest("hex");
    const known = applied.get(name);
    if (known === checksum) continue;
    if (known !== undefined) {
      throw refused(
        `migration ${name} was applied with other contents`,
        "restore the file of the release; an applied migration never changes, add one after it",
      );
    }
    await applyOne(client, { name, text, checksum });
  }
}

async function applyOne(client: Client, migration: { name: string; text: string; checksum: string }): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(migration.text);
    await client.query("INSERT INTO schema_migration (name, checksum) VALUES ($1, $2)", [
      migration.name,
      migration.checksum,
    ]);
    await client.query("COMMIT");
  } catch (thrown) {
    await client.query("ROLLBACK");
    throw thrown;
  }
}

const refused = (reason: string, wayOut: string, cause?: unknown) =>
  new Failure("STACK_NOT_STARTED", { what: "the database schema", reason, wayOut }, { cause });
