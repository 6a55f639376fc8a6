import { Failure } from "../../contracts/failures.ts";
import {
  edgesByNearEnd,
  farEnd,
  type LineageDirection,
  type LineageEdge,
  type LineageGraph,
  type LineageNode,
} from "./graph.ts";

/** Everything reachable from one node, each node and edge once. */
export interface LineageWalk {
  readonly root: string;
  readonly direction: LineageDirection;
  /** Nearest first, the root among them. */
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** Named by an edge but recorded nowhere. */
  readonly missing: readonly string[];
  /** Edges that lead back to a node on their own way: lineage must not have them, so they are shown. */
  readonly cycles: readonly LineageEdge[];
  readonly truncated: boolean;
  /** Nothing missing, truncated or circular: this is the whole of it. */
  readonly complete: boolean;
}

/**
 * Walks from `root` in one direction, breadth first. Circles end the walk where they close.
 * @throws REFERENCE_UNKNOWN when the graph has no such node
 */
export function walkLineage(graph: LineageGraph, root: string, direction: LineageDirection): LineageWalk {
  const known = new Map(graph.nodes.map((node) => [node.ref, node]));
  if (!known.has(root)) throw new Failure("REFERENCE_UNKNOWN", { reference: root });
  const leaving = edgesByNearEnd(graph, direction);
  const reached = new Set([root]);
  const edges: LineageEdge[] = [];
  // A Set visits what is added to it while it is walked.
  for (const ref of reached) {
    for (const edge of leaving.get(ref) ?? []) {
      edges.push(edge);
      reached.add(farEnd(edge, direction));
    }
  }
  const nodes = [...reached].flatMap((ref) => known.get(ref) ?? []);
  const missing = [...reached].filter((ref) => !known.has(ref));
  const cycles = closingEdges(root, leaving, direction);
  const complete = missing.length === 0 && cycles.length === 0 && !graph.truncated;
  return { root, direction, nodes, edges, missing, cycles, truncated: graph.truncated, complete };
}

/** Edges whose far end lies on the depth-first way to them. Without recursion: chains of lineage may be long. */
function closingEdges(
  root: string,
  leaving: ReadonlyMap<string, LineageEdge[]>,
  direction: LineageDirection,
): LineageEdge[] {
  const closing: LineageEdge[] = [];
  const onWay = new Set([root]);
  const done = new Set<string>();
  const stack = [{ ref: root, next: 0 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const edge = leaving.get(top.ref)?.[top.next];
    top.next += 1;
    if (!edge) {
      onWay.delete(top.ref);
      done.add(top.ref);
      stack.pop();
      continue;
    }
    const ref = farEnd(edge, direction);
    if (onWay.has(ref)) closing.push(edge);
    else if (!done.has(ref)) {
      onWay.add(ref);
      stack.push({ ref, next: 0 });
    }
  }
  return closing;
}

/**
 * A shortest way downstream from one node to another, edge by edge; empty from a node to itself, null when there is none in this
 * graph (which proves nothing when the graph is truncated).
 * @throws REFERENCE_UNKNOWN for either end
 */
export function findLineagePath(graph: LineageGraph, from: string, to: string): LineageEdge[] | null {
  const known = new Set(graph.nodes.map(({ ref }) => ref));
  for (const ref of [from, to]) if (!known.has(ref)) throw new Failure("REFERENCE_UNKNOWN", { reference: ref });
  const leaving = edgesByNearEnd(graph, "downstream");
  const cameBy = new Map<string, LineageEdge | null>([[from, null]]);
  for (const ref of cameBy.keys()) {
    if (ref === to) break;
    for (const edge of leaving.get(ref) ?? []) if (!cameBy.has(edge.to)) cameBy.set(edge.to, edge);
  }
  if (!cameBy.has(to)) return null;
  const path: LineageEdge[] = [];
  for (let edge = cameBy.get(to); edge; edge = cameBy.get(edge.from)) path.unshift(edge);
  return path;
}
