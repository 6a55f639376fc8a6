import { sql } from "drizzle-orm";

import type { LineageExecution } from "../../../contracts/lineage.ts";
import type { Queryable } from "../../client.ts";
import { anyOf, loadColumns } from "./load-columns.ts";

/** Executions by their numbers, oldest first. */
export async function loadExecutions(db: Queryable, ids: Iterable<number>): Promise<LineageExecution[]> {
  type Row = Omit<LineageExecution, "id"> & { readonly id: number; readonly at: string };
  const rows = await loadColumns<Row>(
    db,
    ["id", "kind", "label", "at"],
    sql`SELECT id, kind, coalesce(lifecycle || CASE WHEN round > 1 THEN ', round ' || round ELSE '' END, '') AS label, sealed_at AS at
      FROM execution WHERE id = ${anyOf(ids)} ORDER BY execution.id`,
  );
  return rows.map(({ id, kind, label, at }) => ({ id: String(id), kind, label, at: new Date(at).toISOString() }));
}
