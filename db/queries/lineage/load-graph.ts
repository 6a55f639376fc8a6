import { sql, type SQL } from "drizzle-orm";

import type { LineageDirection, LineageGraph } from "../../../contracts/lineage.ts";
import type { Database, Queryable } from "../../client.ts";
import { describeNodes } from "./describe-nodes.ts";
import { anyOf, loadColumns } from "./load-columns.ts";
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
/** Larger graphs are for programs: labels, which are what takes longest, go to what is nearest alone. */
const LARGEST_LABELLED = { whole: 10_000, nearest: 1000 };

/** Null when none of the things is in the graph. */
export async function loadGraph(
  db: Database,
  { refs, direction, limit = DEFAULT_LIMIT }: GraphRequest,
): Promise<LineageGraph | null> {
  return await readSnapshot(db, async (tx, snapshot) => {
    const asked = sql.param(refs);
    const roots = await loadNodes(tx, sql`ref = ANY(${asked}::text[]) ORDER BY array_position(${asked}::text[], ref)`);
    if (roots.size === 0) return null;
    const { used, generated, cut } = await (direction === "upstream" ? loadUpstream : loadDownstream)(tx, roots, limit);
    const edges = [...used, ...generated];
    const others = await loadNodes(tx, sql`id = ${anyOf(edges.map(({ node }) => node))}`);
    const refOf = new Map([...roots, ...others]);
    const labelledCount = refOf.size > LARGEST_LABELLED.whole ? LARGEST_LABELLED.nearest : refOf.size;
    const labels = await describeNodes(
      tx,
      nearest([...roots.keys()], edges, labelledCount).flatMap((id) => refOf.get(id) ?? []),
    );
    const executions = await loadExecutions(
      tx,
      edges.map(({ execution }) => execution),
    );
    // One string a number, however many edges bear it.
    const idOf = new Map(executions.map(({ id }) => [Number(id), id]));
    const end = (edge: Edge) => ({
      execution: idOf.get(edge.execution) ?? "",
      ref: refOf.get(edge.node) ?? "",
      role: edge.role,
    });
    return {
      roots: [...roots.values()],
      direction,
      nodes: Array.from(refOf.values(), (ref) => ({ ref, label: labels.get(ref) ?? "" })),
      labelledCount,
      executions,
      used: used.map((edge) => Object.assign(end(edge), { madeBy: edge.madeBy === null ? null : String(edge.madeBy) })),
      generated: generated.map(end),
      ...sayWhole(snapshot, { cut, nodeCount: refOf.size, edgeCount: edges.length }),
    };
  });
}

/** The roots, and then the things of edges as these come: the nearest to the roots first. */
function nearest(roots: readonly number[], edges: readonly Edge[], count: number): number[] {
  const found = new Set(roots);
  for (const { node } of edges) {
    if (found.size >= count) break;
    found.add(node);
  }
  return [...found].slice(0, count);
}

/** Refs by the numbers of their nodes. */
async function loadNodes(tx: Queryable, condition: SQL): Promise<Map<number, string>> {
  type Node = { readonly id: number; readonly ref: string };
  const nodes = await loadColumns<Node>(tx, ["id", "ref"], sql`SELECT id, ref FROM lineage_node WHERE ${condition}`);
  return new Map(nodes.map(({ id, ref }) => [id, ref]));
}

interface Edge {
  readonly execution: number;
  readonly node: number;
  readonly role: string;
}
interface Used extends Edge {
  readonly madeBy: number | null;
}
type Loader = (
  tx: Queryable,
  roots: ReadonlyMap<number, string>,
  limit: number,
) => Promise<{ readonly used: readonly Used[]; readonly generated: readonly Edge[]; readonly cut: boolean }>;

const names = (roots: ReadonlyMap<number, string>): SQL => sql`unnest(${sql.param([...roots.values()])}::text[])`;

const loadEdges = (tx: Queryable, query: SQL) => loadColumns<Edge>(tx, ["execution", "node", "role"], query);
const loadUsed = (tx: Queryable, query: SQL) => loadColumns<Used>(tx, ["execution", "node", "role", "madeBy"], query);
const USED = sql`SELECT execution, node, role, made_by AS "madeBy" FROM used`;
const GENERATED = sql`SELECT execution, node, role FROM generated`;

// What an execution stands on is older than it, so cutting after the newest (upstream) or the oldest (downstream) leaves a graph
// that hangs together: whatever leads to a thing that is kept is kept as well.

const loadUpstream: Loader = async (tx, roots, limit) => {
  const reached = sql`SELECT id FROM ${names(roots)} AS wanted, upstream_executions(wanted) AS reached (id)`;
  const found = await loadUsed(
    tx,
    sql`${USED} WHERE execution = ANY(ARRAY(${reached})) ORDER BY execution DESC, node, role LIMIT ${limit + 1}`,
  );
  const used = found.slice(0, limit);
  // Only what lies on the way: an execution may have generated other things beside.
  const ways = new Set(used.map(({ madeBy, node }) => `${madeBy} ${node}`));
  const made = await loadEdges(
    tx,
    sql`${GENERATED} WHERE execution = ${anyOf(used.flatMap(({ madeBy }) => madeBy ?? []))}
      UNION ${GENERATED} WHERE node = ${anyOf(roots.keys())} ORDER BY 1, 2, 3`,
  );
  const generated = made.filter(({ execution, node }) => roots.has(node) || ways.has(`${execution} ${node}`));
  return { used, generated, cut: found.length > limit };
};

const loadDownstream: Loader = async (tx, roots, limit) => {
  const reached = sql`SELECT id FROM ${names(roots)} AS wanted, downstream_executions(wanted) AS reached (id)`;
  const found = await loadEdges(
    tx,
    sql`${GENERATED} WHERE execution = ANY(ARRAY(${reached})) ORDER BY execution, node, role LIMIT ${limit + 1}`,
  );
  const generated = found.slice(0, limit);
  const shown = new Set(generated.map(({ execution }) => execution));
  const last = generated.at(-1)?.execution ?? 0;
  // All that used something of these, or a root, was reached; up to the last one it is shown too. By the maker, and not by the
  // execution that used it: those places of the index have just been walked.
  const used = await loadUsed(
    tx,
    sql`${USED} WHERE made_by = ${anyOf(shown)} AND execution <= ${last}
      UNION ${USED} WHERE node = ${anyOf(roots.keys())} AND execution <= ${last} ORDER BY 1, 2, 3`,
  );
  return { used, generated, cut: found.length > limit };
};
