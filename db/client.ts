import type { ExtractTablesWithRelations } from "drizzle-orm";
import { drizzle, type NodePgQueryResultHKT } from "drizzle-orm/node-postgres";
import type { PgDatabase, PgTransaction } from "drizzle-orm/pg-core";
import { Pool } from "pg";

import { createEarlyRelease, type Transacting } from "./early-release.ts";
import { APPLICATION_NAME } from "./release.ts";

type NoSchema = Record<string, never>;
type Relations = ExtractTablesWithRelations<NoSchema>;

/** Where reading is enough: a database or a transaction. */
export type Queryable = PgDatabase<NodePgQueryResultHKT, NoSchema, Relations>;

/** Every write takes one, so that a row, its lineage and its audit event are committed together or not at all. */
export type Transaction = PgTransaction<NodePgQueryResultHKT, NoSchema, Relations>;

/** A pool of connections. One a process; close it when the process ends. */
export type Database = Queryable & { readonly earlyRelease: Transacting; close(): Promise<void> };

export interface DatabaseOptions {
  /** Connection string of the application role. */
  readonly url: string;
  readonly maximumConnections?: number;
}

const CONNECT_WITHIN_MS = 10_000;

/** Opens a pool; connections are made when the first query asks for one. */
export function openDatabase({ url, maximumConnections = 10 }: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: url,
    max: maximumConnections,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    application_name: APPLICATION_NAME,
  });
  // An idle connection that the server ends reports here; unheard it would end the process. The pool opens another.
  pool.on("error", () => undefined);
  // So does one that is lost between two statements of a transaction: the pool takes its own listener off while it is in use.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const database = drizzle(pool);
  return Object.assign(database, { earlyRelease: createEarlyRelease(database), close: () => pool.end() });
}
