/** Something that was used or made: `model/NAME@N`, `artifact/DIGEST`, `lifecycle/ID`, `prediction/ID` and the like. */
export interface LineageNode {
  readonly ref: string;
  readonly kind: string;
  readonly label: string;
  /** ISO instant it came to be, or null where that is not recorded. */
  readonly at: string | null;
}

/** Points downstream: `from` was used, `to` came of it, `role` says as what. */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
  readonly role: string;
}

export interface LineageGraph {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** True when the loader stopped at its limit, so that more may be recorded than is here. */
  readonly truncated: boolean;
}

export const LINEAGE_DIRECTIONS = ["upstream", "downstream"] as const;
/** `upstream`: what it was made from. `downstream`: what came of it. */
export type LineageDirection = (typeof LINEAGE_DIRECTIONS)[number];

/** Edges by the end a walk stands on, in a fixed order whatever order the database gave: oldest far end first, then by name. */
export function edgesByNearEnd(graph: LineageGraph, direction: LineageDirection): Map<string, LineageEdge[]> {
  const at = new Map(graph.nodes.map((node) => [node.ref, node.at ?? ""]));
  const near = (edge: LineageEdge) => (direction === "upstream" ? edge.to : edge.from);
  const order = (edge: LineageEdge) =>
    `${at.get(farEnd(edge, direction)) ?? ""} ${farEnd(edge, direction)} ${edge.role}`;
  const found = new Map<string, LineageEdge[]>();
  const seen = new Set<string>();
  for (const edge of [...graph.edges].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const name = JSON.stringify([edge.from, edge.to, edge.role]);
    if (seen.has(name)) continue;
    seen.add(name);
    const list = found.get(near(edge));
    if (list) list.push(edge);
    else found.set(near(edge), [edge]);
  }
  return found;
}

export function farEnd(edge: LineageEdge, direction: LineageDirection): string {
  return direction === "upstream" ? edge.from : edge.to;
}
