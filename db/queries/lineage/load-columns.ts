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
  return (found[first] ?? []).map((_, index) => {
    // Property by property: Object.fromEntries takes five times as long.
    const row: Record<string, unknown> = {};
    for (const name of names) row[name] = found[name]?.[index];
    return row as Row;
  });
}

/**
 * Any of these numbers, as the right side of a condition. They are a subquery to the planner: a list it would weigh number by number,
 * which takes longer than looking them up, and would then rather read the whole table.
 */
export const anyOf = (ids: Iterable<number>): SQL =>
  sql`ANY(ARRAY(SELECT unnest(${`{${[...new Set(ids)].join()}}`}::bigint[])))`;
