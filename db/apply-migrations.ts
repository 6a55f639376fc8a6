import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { DatabaseError, type Client } from "pg";

import { Failure } from "../contracts/failures.ts";
import { migrationNames } from "./release.ts";

/** A migration that takes something away, and the sessions that may still use it. */
export interface HeldBackMigration {
  readonly name: string;
  /** As in `modelwright/0005 of modelwright_app_main from 10.0.0.7`. */
  readonly by: readonly string[];
}

/**
 * Applies what is missing, each migration in a transaction of its own. One named `NNNN-name.contract.sql` takes something away
 * that releases before NNNN use: it is held back while one of their sessions is connected, and left for the next call.
 */
export async function applyMigrations(client: Client, folder: URL): Promise<HeldBackMigration[]> {
  await client.query(
    `CREATE TABLE IF NOT EXISTS schema_migration (
       name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const heldBack: HeldBackMigration[] = [];
  for (const migration of await missingMigrations(client, folder)) {
    const by = migration.name.endsWith(".contract.sql") ? await sessionsBefore(client, migration.name) : [];
    if (by.length > 0) heldBack.push({ name: migration.name, by });
    else await applyPatiently(client, migration);
  }
  return heldBack;
}

interface Migration {
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
}

async function missingMigrations(client: Client, folder: URL): Promise<Migration[]> {
  const { rows } = await client.query<{ name: string; checksum: string }>(
    "SELECT name, checksum FROM schema_migration",
  );
  const applied = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  const names = migrationNames(await readdir(folder));
  const unknown = [...applied.keys()].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw refused(`migration ${unknown.join(", ")} is applied and not part of this release`, "run the newer release");
  }
  const missing: Migration[] = [];
  for (const name of names) {
    const text = await readFile(new URL(name, folder), "utf8");
    const checksum = createHash("sha256").update(text).digest("hex");
    const known = applied.get(name);
    if (known === undefined) missing.push({ name, text, checksum });
    else if (known !== checksum) {
      throw refused(
        `migration ${name} was applied with other contents`,
        "restore the file of the release; an applied migration never changes, add one after it",
      );
    }
  }
  return missing;
}

/** Sessions of releases before a migration. Those before 0006 call themselves `modelwright` without a number. */
async function sessionsBefore(client: Client, name: string): Promise<string[]> {
  const { rows } = await client.query<{ session: string }>(
    `SELECT DISTINCT application_name || ' of ' || usename || coalesce(' from ' || host(client_addr), '') AS session
     FROM pg_stat_activity
     WHERE datname = current_database() AND application_name ~ '^modelwright' AND application_name <> 'modelwright migrate'
       AND coalesce(substring(application_name from '^modelwright/(\\d{4})'), '0000') < $1
     ORDER BY 1`,
    [name.slice(0, 4)],
  );
  return rows.map(({ session }) => session);
}

/**
 * Shorter than `deadlock_timeout` (1 s): whoever waits behind the migration's lock waits no longer than this and the migration
 * itself, and of the two that wait for each other the migration steps back, never the application.
 */
const LOCK_TIMEOUT_MS = 500;
const ATTEMPTS = 30;
const PAUSE_MS = 200;
const LOCK_NOT_AVAILABLE = "55P03";

async function applyPatiently(client: Client, migration: Migration): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await applyOne(client, migration);
      return;
    } catch (thrown) {
      if (!(thrown instanceof DatabaseError)) throw thrown;
      if (thrown.code !== LOCK_NOT_AVAILABLE) {
        // Whoever may not do it at all is told so by migrate.
        if (thrown.code === "42501") throw thrown;
        const wayOut =
          "nothing of it was applied; mend the cause and start again, the release before goes on meanwhile";
        throw refused(`migration ${migration.name} failed (${thrown.message})`, wayOut, thrown);
      }
      if (attempt === ATTEMPTS) {
        const wayOut = "end the transaction that holds the lock (pg_stat_activity) and start again";
        throw refused(`migration ${migration.name} got no lock in ${ATTEMPTS} attempts`, wayOut, thrown);
      }
    }
    await sleep(PAUSE_MS);
  }
}

async function applyOne(client: Client, { name, text, checksum }: Migration): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
  try {
    await client.query(text);
    await client.query("INSERT INTO schema_migration (name, checksum) VALUES ($1, $2)", [name, checksum]);
    await client.query("COMMIT");
  } catch (thrown) {
    await client.query("ROLLBACK");
    throw thrown;
  }
}

const refused = (reason: string, wayOut: string, cause?: unknown) =>
  new Failure("STACK_NOT_STARTED", { what: "the database schema", reason, wayOut }, { cause });
