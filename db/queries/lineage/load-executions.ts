import { sql } from "drizzle-orm";

import type { LineageExecution } from "../../../contracts/lineage.ts";
import type { Queryable } from "../../client.ts";

/** Executions by their numbers, oldest first. */
export async function loadExecutions(db: Queryable, ids: readonly string[]): Promise<LineageExecution[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.execute<{ id: string; kind: string; label: string; at: string }>(sql`
    SELECT id, kind, coalesce(lifecycle || CASE WHEN round > 1 THEN ', round ' || round ELSE '' END, '') AS label,
      to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
    FROM execution WHERE id = ANY(${sql.param(ids)}::bigint[]) ORDER BY execution.id`);
  return rows.map(({ id, kind, label, at }) => ({ id, kind, label, at }));
}
