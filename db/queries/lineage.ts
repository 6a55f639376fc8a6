import { sql, type SQL } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { recordRows } from "../record-rows.ts";
import { lineageEdge } from "../schema/evidence.ts";

/** Points downstream: `from` was used, `to` came of it. Ends are refs such as `artifact/DIGEST` or `model/NAME@N`. */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
  /** In what part: `training-data`, `parent`, `evaluated-by`, ... */
  readonly role: string;
  /** Lifecycle that did it, or null. */
  readonly lifecycle: string | null;
}

/** Adds edges; one that is there already stays as it is. */
export async function recordEdges(tx: Transaction, edges: readonly LineageEdge[]): Promise<void> {
  await recordRows(tx, lineageEdge, edges);
}

export interface LineageGraph {
  /** The ref asked for first, then every ref reached. A ref without any edge is a graph of itself. */
  readonly refs: readonly string[];
  /** Every edge between two of them. */
  readonly edges: readonly (LineageEdge & { readonly at: Date })[];
  /** False when `limit` cut it: then there is more than is shown. */
  readonly complete: boolean;
}

export interface GraphRequest {
  readonly ref: string;
  /** Upstream: what it was made from. Downstream: what came of it. */
  readonly direction: "upstream" | "downstream";
  /** Most refs returned, 5000 unless told. */
  readonly limit?: number;
}

/** Walks the graph from one ref. Circles end the walk where they close. */
export async function loadGraph(db: Queryable, { ref, direction, limit = 5000 }: GraphRequest): Promise<LineageGraph> {
  const reached = await db.execute<{ ref: string }>(
    sql`${walk(sql`${ref}::text`, direction)} SELECT ref FROM reached LIMIT ${limit + 1}`,
  );
  const refs = reached.rows.slice(0, limit).map((row) => row.ref);
  const all = sql`ANY(${sql.param(refs)}::text[])`;
  const edges = await db
    .select()
    .from(lineageEdge)
    .where(sql`${lineageEdge.from} = ${all} AND ${lineageEdge.to} = ${all}`)
    .orderBy(lineageEdge.at, lineageEdge.from, lineageEdge.to, lineageEdge.role);
  return { refs, edges, complete: reached.rows.length <= limit };
}

/**
 * `WITH RECURSIVE reached(ref)`: every ref reached from `start`, itself included. Rows carry the ref alone, so that UNION
 * drops a ref reached by a second path; with a depth in the row each path would be walked again.
 */
export function walk(start: SQL, direction: GraphRequest["direction"]): SQL {
  const step =
    direction === "upstream"
      ? sql`SELECT edge.from_ref FROM reached JOIN lineage_edge AS edge ON edge.to_ref = reached.ref`
      : sql`SELECT edge.to_ref FROM reached JOIN lineage_edge AS edge ON edge.from_ref = reached.ref`;
  return sql`WITH RECURSIVE reached(ref) AS (SELECT ${start} UNION ${step})`;
}
