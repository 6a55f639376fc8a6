import type { LineageGraph as RecordedGraph } from "../client/index.ts";
import type { LineageGraph } from "../core/lineage/graph.ts";

/**
 * The recorded graph as the renderings of core/lineage take it. A node came to be when the first edge into it was recorded; what
 * nothing led to was there before.
 */
export function toLineageGraph({ refs, edges, complete }: RecordedGraph): LineageGraph {
  const madeAt = new Map<string, string>();
  for (const { to, at } of edges) {
    if (!madeAt.has(to)) madeAt.set(to, at.toISOString());
  }
  const nodes = refs.map((ref) => ({
    ref,
    kind: ref.slice(0, ref.indexOf("/")),
    label: "",
    at: madeAt.get(ref) ?? null,
  }));
  return { nodes, edges: edges.map(({ from, to, role }) => ({ from, to, role })), truncated: !complete };
}
