import { sql, type SQL } from "drizzle-orm";

import type { LineageDirection, LineageEdge, LineageGraph, UsedEdge } from "../../../contracts/lineage.ts";
import type { Database, Queryable } from "../../client.ts";
import { describeNodes } from "./describe-nodes.ts";
import { loadExecutions } from "./load-executions.ts";
import { readSnapshot, sayWhole } from "./read-snapshot.ts";

export interface GraphRequest {
  /** One thing, or several that are looked at together. */
  readonly refs: readonly string[];
  readonly direction: LineageDirection;
  /** Most edges away from what was asked for, 5000 unless told. */
  readonly limit?: number;
}

const DEFAULT_LIMIT = 5000;

/** Null when none of the things is in the graph. */
export async function loadGraph(
  db: Database,
  { refs, direction, limit = DEFAULT_LIMIT }: GraphRequest,
): Promise<LineageGraph | null> {
  return await readSnapshot(db, async (tx, snapshot) => {
    const roots = await findNodes(tx, refs);
    if (roots.size === 0) return null;
    const edges = await (direction === "upstream" ? loadUpstream : loadDownstream)(tx, roots, limit);
    const nodes = new Map(roots);
    for (const { node, ref } of [...edges.used, ...edges.generated]) nodes.set(node, ref);
    const reached = new Set([...edges.used, ...edges.generated].map(({ execution }) => execution));
    const labels = await describeNodes(tx, [...nodes.values()]);
    return {
      roots: [...roots.values()],
      direction,
      nodes: [...nodes.values()].map((ref) => ({ ref, label: labels.get(ref) ?? "" })),
      executions: await loadExecutions(tx, [...reached]),
      used: edges.used.map(({ execution, ref, role, madeBy }): UsedEdge => ({ execution, ref, role, madeBy })),
      generated: edges.generated.map(({ execution, ref, role }): LineageEdge => ({ execution, ref, role })),
      ...sayWhole(snapshot, {
        cut: edges.cut,
        nodeCount: nodes.size,
        edgeCount: edges.used.length + edges.generated.length,
      }),
    };
  });
}

/** Node numbers, as text, with their refs. */
async function findNodes(tx: Queryable, refs: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await tx.execute<{ id: string; ref: string }>(
    sql`SELECT id, ref FROM lineage_node WHERE ref = ANY(${sql.param(refs)}::text[]) ORDER BY array_position(${sql.param(refs)}::text[], ref)`,
  );
  return new Map(rows.map(({ id, ref }) => [id, ref]));
}

interface Row extends Record<string, unknown> {
  readonly execution: string;
  readonly node: string;
  readonly ref: string;
  readonly role: string;
}
interface Edges {
  readonly used: readonly (Row & { readonly madeBy: string | null })[];
  readonly generated: readonly Row[];
  readonly cut: boolean;
}
type Loader = (tx: Queryable, roots: ReadonlyMap<string, string>, limit: number) => Promise<Edges>;

const numbers = (ids: Iterable<string>): SQL => sql`ANY(${sql.param([...ids])}::bigint[])`;
const names = (roots: ReadonlyMap<string, string>): SQL => sql`unnest(${sql.param([...roots.values()])}::text[])`;

// What an execution stands on is older than it, so cutting after the newest (upstream) or the oldest (downstream) leaves a graph
// that hangs together: whatever leads to a thing that is kept is kept as well.

const loadUpstream: Loader = async (tx, roots, limit) => {
  const found = await tx.execute<Edges["used"][number]>(sql`
    SELECT used.execution, used.node, lineage_node.ref, used.role, used.made_by AS "madeBy"
    FROM (SELECT DISTINCT upstream_executions(wanted) AS id FROM ${names(roots)} AS wanted) AS reached
      JOIN used ON used.execution = reached.id JOIN lineage_node ON lineage_node.id = used.node
    ORDER BY used.execution DESC, used.node, used.role LIMIT ${limit + 1}`);
  const used = found.rows.slice(0, limit);
  // Only what lies on the way: an execution may have generated other things beside.
  const ways = new Set(used.map(({ madeBy, node }) => `${madeBy} ${node}`));
  const makers = new Set(used.flatMap(({ madeBy }) => madeBy ?? []));
  const made = await tx.execute<Row>(sql`
    SELECT generated.execution, generated.node, lineage_node.ref, generated.role
    FROM generated JOIN lineage_node ON lineage_node.id = generated.node
    WHERE generated.execution = ${numbers(makers)} AND generated.node = ${numbers(new Set(used.map(({ node }) => node)))}
    UNION ALL
    SELECT generated.execution, generated.node, lineage_node.ref, generated.role
    FROM generated JOIN lineage_node ON lineage_node.id = generated.node WHERE generated.node = ${numbers(roots.keys())}`);
  const generated = distinct(
    made.rows.filter(({ execution, node }) => roots.has(node) || ways.has(`${execution} ${node}`)),
  );
  return { used, generated, cut: found.rows.length > limit };
};

const loadDownstream: Loader = async (tx, roots, limit) => {
  const found = await tx.execute<Row>(sql`
    SELECT generated.execution, generated.node, lineage_node.ref, generated.role
    FROM (SELECT DISTINCT downstream_executions(wanted) AS id FROM ${names(roots)} AS wanted) AS reached
      JOIN generated ON generated.execution = reached.id JOIN lineage_node ON lineage_node.id = generated.node
    ORDER BY generated.execution, generated.node, generated.role LIMIT ${limit + 1}`);
  const generated = found.rows.slice(0, limit);
  const shown = new Set(generated.map(({ execution }) => execution));
  const kept = new Set(generated.map(({ execution, node }) => `${execution} ${node}`));
  const { rows } = await tx.execute<Edges["used"][number]>(sql`
    SELECT used.execution, used.node, lineage_node.ref, used.role, used.made_by AS "madeBy"
    FROM used JOIN lineage_node ON lineage_node.id = used.node WHERE used.execution = ${numbers(shown)}
    ORDER BY used.execution, used.node, used.role`);
  const used = rows.filter(({ node, madeBy }) => roots.has(node) || kept.has(`${madeBy} ${node}`));
  return { used, generated, cut: found.rows.length > limit };
};

const distinct = (rows: readonly Row[]): Row[] => [
  ...new Map(rows.map((row) => [`${row.execution} ${row.node} ${row.role}`, row])).values(),
];
