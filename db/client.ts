import { sql, type ExtractTablesWithRelations } from "drizzle-orm";
import { drizzle, type NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase, PgTransaction } from "drizzle-orm/pg-core";
import { Pool } from "pg";

import { APPLICATION_NAME } from "./release.ts";
import { createSharedWait } from "./shared-wait.ts";

type NoSchema = Record<string, never>;
type Relations = ExtractTablesWithRelations<NoSchema>;

/** Where reading is enough: a database or a transaction. */
export type Queryable = PgDatabase<NodePgQueryResultHKT, NoSchema, Relations>;

/** Every write takes one, so that a row, its lineage and its audit event are committed together or not at all. */
export type Transaction = PgTransaction<NodePgQueryResultHKT, NoSchema, Relations>;

/** Where transactions are run. */
export interface Transacting {
  transaction<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result>;
}

/** A pool of connections. One a process; close it when the process ends. */
export type Database = Queryable & {
  readonly $client: Pool;
  readonly earlyRelease: Transacting;
  close(): Promise<void>;
};

export interface DatabaseOptions {
  /** Connection string of the application role. */
  readonly url: string;
  readonly maximumConnections?: number;
}

const CONNECT_WITHIN_MS = 10_000;

/** Opens a pool; connections are made when the first query asks for one. */
export function openDatabase({ url, maximumConnections = 10 }: DatabaseOptions): Database {
  const pool = openPool(url, maximumConnections);
  const database = drizzle(pool);
  const early = openEarlyRelease(url, database);
  return Object.assign(database, {
    earlyRelease: early,
    close: async () => {
      await Promise.all([pool.end(), early.close()]);
    },
  });
}

function openPool(connectionString: string, max: number): Pool {
  const pool = new Pool({
    connectionString,
    max,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    application_name: APPLICATION_NAME,
  });
  // An idle connection that the server ends reports here; unheard it would end the process. The pool opens another.
  pool.on("error", () => undefined);
  // So does one that is lost between two statements of a transaction: the pool takes its own listener off while it is in use.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** More would wait for each other, for they record. */
const EARLY_CONNECTIONS = 4;

/**
 * Transactions with early lock release: at the commit their locks end, and the caller is answered when it is on disk, for which all who
 * commit meanwhile wait together. Whoever records holds the audit log's head, so that otherwise all writers wait for the disk one after
 * the other. Others see what was written before it is on disk, and a crash of the server in between takes it away again, with all that was
 * written after it: not for what somebody outside the database acts on as soon as he sees it, such as routing epochs.
 */
function openEarlyRelease(url: string, database: Queryable): Transacting & { close(): Promise<void> } {
  const pool = openPool(url, EARLY_CONNECTIONS);
  // Where it fails the connection is lost, and what comes after it fails too.
  pool.on("connect", (client) => void client.query("SET synchronous_commit = off").catch(() => undefined));
  const hasty = drizzle(pool);
  const wait = createSharedWait(() => reachDisk(database));
  return {
    transaction: async (work) => {
      const result = await hasty.transaction(work);
      await wait();
      return result;
    },
    close: () => pool.end(),
  };
}

/** Returns when everything that is committed now is on disk. */
export async function reachDisk(db: Queryable): Promise<void> {
  // A commit of its own, which waits as the server is told to, for its standbys too; the log is written in order.
  await db.execute(sql`SELECT pg_logical_emit_message(true, 'modelwright', '')`);
}
