import type { LineageExecution, LineageGraph } from "../../contracts/lineage.ts";
import { groupBy } from "./group-by.ts";

/** A line of a tree. */
export interface TreeRow {
  /** The branches drawn before it. */
  readonly branch: string;
  /** As what the thing stands under the one above it; empty for a root. */
  readonly role: string;
  readonly ref: string;
  readonly label: string;
  /** What made it; null when nothing on record did. */
  readonly madeBy: LineageExecution | null;
  /** Shown before, with all that hangs on it. */
  readonly again: boolean;
}

interface Item {
  readonly ref: string;
  readonly role: string;
  readonly madeBy: string | null;
  readonly indent: string;
  readonly last: boolean;
  readonly depth: number;
}

/** Branches are drawn to this depth; what lies deeper says how deep, or a long chain would be a very wide triangle. */
const DEEPEST = 10;

/**
 * A graph as a tree, the roots first. What is reached again is named without its branch, so that the length is that of the graph. A
 * root that was made several times, of the same bytes, stands there once for each.
 */
export function outlineTree(graph: LineageGraph): TreeRow[] {
  const executions = new Map(graph.executions.map((execution) => [execution.id, execution]));
  const labels = new Map(graph.nodes.map(({ ref, label }) => [ref, label]));
  const childrenOf = graph.direction === "upstream" ? upstreamChildren(graph) : downstreamChildren(graph);
  const generations = groupBy(graph.generated, ({ ref }) => ref);
  const rows: TreeRow[] = [];
  const shown = new Set<string>();
  const roots = graph.roots.flatMap((ref) => {
    const makers =
      graph.direction === "upstream" ? [...new Set(generations.get(ref)?.map((edge) => edge.execution))] : [];
    return (makers.length === 0 ? [null] : makers).map((madeBy) => ({ ref, role: "", madeBy }));
  });
  // Pushed in reverse, popped in order. Without recursion: chains of lineage may be long.
  const stack: Item[] = roots.toReversed().map((one) => ({ ...one, indent: "", last: true, depth: 0 }));
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { ref, role, madeBy, indent, last, depth } = item;
    // The same bytes made by another lead elsewhere.
    const name = JSON.stringify([ref, madeBy]);
    const children = childrenOf(ref, madeBy);
    const again = shown.has(name) && children.length > 0;
    shown.add(name);
    const execution = madeBy === null ? null : (executions.get(madeBy) ?? null);
    const deeper = depth > DEEPEST ? `${depth}: ` : "";
    const branch = depth === 0 ? "" : `${indent}${last ? "└─ " : "├─ "}${deeper}`;
    rows.push({ branch, role, ref, label: labels.get(ref) ?? "", madeBy: execution, again });
    if (again) continue;
    const inner = depth === 0 || depth >= DEEPEST ? indent : `${indent}${last ? "   " : "│  "}`;
    for (const [index, child] of [...children.entries()].reverse()) {
      stack.push({ ...child, indent: inner, last: index === children.length - 1, depth: depth + 1 });
    }
  }
  return rows;
}

type Child = Pick<Item, "ref" | "role" | "madeBy">;
type ChildrenOf = (ref: string, madeBy: string | null) => readonly Child[];

/** What the execution used that made it. */
function upstreamChildren({ used }: LineageGraph): ChildrenOf {
  const uses = groupBy(used, ({ execution }) => execution);
  return (_ref, madeBy) => (madeBy === null ? [] : (uses.get(madeBy) ?? []));
}

/** What the executions generated that used it: of a root whoever made it, of all others as it was made here. */
function downstreamChildren({ used, generated, roots }: LineageGraph): ChildrenOf {
  const outputs = groupBy(generated, ({ execution }) => execution);
  const uses = groupBy(used, ({ ref }) => ref);
  return (ref, madeBy) => {
    const own = (uses.get(ref) ?? []).filter((use) => roots.includes(ref) || use.madeBy === madeBy);
    return [...new Set(own.map(({ execution }) => execution))].flatMap((execution) =>
      (outputs.get(execution) ?? []).map((made) => ({ ref: made.ref, role: made.role, madeBy: execution })),
    );
  };
}
