import { sql, type SQL } from "drizzle-orm";

import type { Queryable } from "../../client.ts";

/**
 * The rows of a query, sent as one JSON array a column: a graph has tens of thousands of rows, and taking each apart costs the
 * driver more than finding it costs Postgres. Every row has every named column; numbers are whole and below 2^53.
 */
export async function loadColumns<Row extends object>(
  db: Queryable,
  names: readonly (keyof Row & string)[],
  query: SQL,
): Promise<Row[]> {
  const columns = names.map((name) => sql`json_agg(${sql.identifier(name)}) AS ${sql.identifier(name)}`);
  const { rows } = await db.execute<Record<string, readonly unknown[] | null>>(
    sql`SELECT ${sql.join(columns, sql`, `)} FROM (${query}) AS found`,
  );
  const [found = {}] = rows;
  const [first = ""] = names;
  return (found[first] ?? []).map((_, index) =>
    Object.fromEntries(names.map((name) => [name, found[name]?.[index]])),
  ) as Row[];
}
