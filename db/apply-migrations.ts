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
  const lockOrder: string[] = [];
  for (const migration of await missingMigrations(client, folder)) {
    const by = migration.name.endsWith(".contract.sql") ? await sessionsBefore(client, migration.name) : [];
    if (by.length > 0) heldBack.push({ name: migration.name, by });
    else await applyPatiently(client, migration, lockOrder);
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
 * Shorter than `deadlock_timeout` (1 s): a migration has all its locks in this time or steps back, so whoever waits behind one waits
 * no longer than this and the migration itself, and of two that wait for each other the application is never the one that fails.
 */
const LOCKING_MS = 800;
/** The pause doubles from attempt to attempt, so that an application under load gets through what made the migration wait. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
const ATTEMPTS = 60;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * What could not be had is asked for first the next time, by every migration of the run: attempt by attempt `lockOrder` comes to
 * the order in which the application takes its locks.
 */
async function applyPatiently(client: Client, migration: Migration, lockOrder: string[]): Promise<void> {
  const tables = await tablesNamedIn(client, migration.text);
  for (let attempt = 1, pauseMs = FIRST_PAUSE_MS; ; attempt += 1, pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    tables.sort((one, other) => lockOrder.lastIndexOf(other) - lockOrder.lastIndexOf(one));
    const held = await applyOne(client, migration, tables);
    if (held === null) return;
    lockOrder.push(held);
    if (attempt === ATTEMPTS) {
      const wayOut = "end the transaction that holds the lock (pg_stat_activity) and start again";
      throw refused(`migration ${migration.name} got no lock on ${held} in ${ATTEMPTS} attempts`, wayOut);
    }
    await sleep(pauseMs);
  }
}

async function tablesNamedIn(client: Client, text: string): Promise<string[]> {
  const { rows } = await client.query<{ table: string }>(
    `SELECT relname AS table FROM pg_class
     WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace ORDER BY relname`,
  );
  const words = new Set(text.match(/\w+/g));
  return rows.map(({ table }) => table).filter((table) => words.has(table));
}

/** Applies it whole or not at all. The table that somebody else held, if that is why it was not. */
async function applyOne(
  client: Client,
  { name, text, checksum }: Migration,
  tables: readonly string[],
): Promise<string | null> {
  const deadline = performance.now() + LOCKING_MS;
  let locking: string | null = null;
  await client.query("BEGIN");
  try {
    for (locking of tables) {
      const left = Math.max(1, Math.round(deadline - performance.now()));
      await client.query(`SET LOCAL lock_timeout = ${left}; LOCK TABLE ${client.escapeIdentifier(locking)}`);
    }
    locking = null;
    await client.query(text);
    await client.query("INSERT INTO schema_migration (name, checksum) VALUES ($1, $2)", [name, checksum]);
    await client.query("COMMIT");
    return null;
  } catch (thrown) {
    await client.query("ROLLBACK");
    if (!(thrown instanceof DatabaseError)) throw thrown;
    if (thrown.code === LOCK_NOT_AVAILABLE && locking !== null) return locking;
    // Whoever may not do it at all is told so by migrate.
    if (thrown.code === "42501") throw thrown;
    const wayOut = "nothing of it was applied; mend the cause and start again, the release before goes on meanwhile";
    throw refused(`migration ${name} failed (${thrown.message})`, wayOut, thrown);
  }
}

const refused = (reason: string, wayOut: string, cause?: unknown) =>
  new Failure("STACK_NOT_STARTED", { what: "the database schema", reason, wayOut }, { cause });
