import { Client, DatabaseError } from "pg";

import { Failure } from "../contracts/failures.ts";
import { applyMigrations, type HeldBackMigration } from "./apply-migrations.ts";
import { MIGRATIONS } from "./release.ts";
import { ensureGroups, ensureLoginRole } from "./roles.ts";

export interface MigrateOptions {
  /** Connection string of a role that may create roles and owns the database. */
  readonly adminUrl: string;
  /** Password the application role gets; printable ASCII. */
  readonly applicationPassword: string;
  /** Folder of migrations; this release's unless told. */
  readonly migrations?: URL;
}

export interface MigrateResult {
  /** The application's connection string; it holds the password. */
  readonly applicationUrl: string;
  /** What waits for sessions of an older release to end; the next call applies it. */
  readonly heldBack: readonly HeldBackMigration[];
}

/** Any constant: it keeps two migrations of one database apart. */
const LOCK = 7_203_114_551;

/**
 * Brings the schema forward, each migration in a transaction, and makes the application role, which owns no table. Safe to
 * call at every start, by several processes at once, and while the application of the release before is at work. Fails with
 * STACK_NOT_STARTED when an applied migration is not the one of this release, a migration fails, or the role may not do it; the
 * schema is then as it was before the failed migration.
 */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const { adminUrl, applicationPassword, migrations = MIGRATIONS } = options;
  if (!/^[\x21-\x7e]+$/.test(applicationPassword)) {
    throw refused("the application password is empty or not printable ASCII", "give another one");
  }
  const client = new Client({ connectionString: adminUrl, application_name: "modelwright migrate" });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [LOCK]);
    await ensureGroups(client);
    const heldBack = await applyMigrations(client, migrations);
    const login = await ensureLoginRole(client, applicationPassword);
    const url = new URL(adminUrl);
    url.username = encodeURIComponent(login);
    url.password = encodeURIComponent(applicationPassword);
    return { applicationUrl: url.href, heldBack };
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

/** What `migrate` held back, as people read it. */
export const describeHeldBack = ({ name, by }: HeldBackMigration): string =>
  `migration ${name} waits for sessions of an older release to end: ${by.join(", ")}; the next start applies it`;

const refused = (reason: string, wayOut: string, cause?: unknown) =>
  new Failure("STACK_NOT_STARTED", { what: "the database schema", reason, wayOut }, { cause });
