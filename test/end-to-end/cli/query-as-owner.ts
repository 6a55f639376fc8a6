import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { Client } from "pg";

/** Asks the database of the stack in a directory as its owner, past every rule it keeps. */
export async function queryAsOwner(
  directory: string,
  database: string,
  sql: string,
  values: readonly unknown[],
): Promise<readonly Record<string, unknown>[]> {
  const url = new URL(database);
  url.username = "postgres";
  url.password = await readFile(join(directory, "postgres.password"), "utf8");
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query("SET session_replication_role = replica");
  const { rows } = await client.query<Record<string, unknown>>(sql, [...values]);
  await client.end();
  return rows;
}
