import { describeCompleteness } from "./describe-completeness.ts";
import { edgesByNearEnd, farEnd, type LineageEdge } from "./graph.ts";
import type { LineageWalk } from "./walk.ts";

/**
 * A walk as a tree for the terminal, the root first and the completeness last. A node that is reached again is named with "see
 * above" instead of its branch, so that the length is that of the graph, and a circle says so.
 */
export function renderTree(walk: LineageWalk): string {
  const nodes = new Map(walk.nodes.map((node) => [node.ref, node]));
  const leaving = edgesByNearEnd({ nodes: walk.nodes, edges: walk.edges, truncated: false }, walk.direction);
  const cycles = new Set(walk.cycles.map(nameOf));
  const lines: string[] = [];
  const shown = new Set<string>();

  const describe = (ref: string): string => {
    const node = nodes.get(ref);
    if (!node) return `${ref} (not recorded)`;
    const label = node.label === "" || node.label === ref ? "" : `  ${node.label}`;
    // Most refs begin with their kind.
    const name = ref.startsWith(`${node.kind}/`) ? ref : `${node.kind} ${ref}`;
    return `${name}${label}${node.at === null ? "" : `  ${node.at}`}`;
  };
  // Pushed in reverse, popped in order. Without recursion: chains of lineage may be long.
  const stack: { ref: string; edge: LineageEdge | null; indent: string; last: boolean }[] = [
    { ref: walk.root, edge: null, indent: "", last: true },
  ];
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { ref, edge, indent, last } = item;
    const again = edge !== null && cycles.has(nameOf(edge)) ? " (circle)" : shown.has(ref) ? " (see above)" : "";
    const branch = edge === null ? "" : `${indent}${last ? "└─ " : "├─ "}${edge.role}: `;
    lines.push(printable(`${branch}${describe(ref)}${again}`));
    if (again !== "") continue;
    shown.add(ref);
    const inner = edge === null ? "" : `${indent}${last ? "   " : "│  "}`;
    const edges = leaving.get(ref) ?? [];
    for (const [index, next] of [...edges.entries()].reverse()) {
      stack.push({ ref: farEnd(next, walk.direction), edge: next, indent: inner, last: index === edges.length - 1 });
    }
  }
  return `${[...lines, printable(describeCompleteness(walk))].join("\n")}\n`;
}

function nameOf({ from, to, role }: LineageEdge): string {
  return JSON.stringify([from, to, role]);
}

/** Labels come from people: a control character or a text-direction mark could rewrite what an auditor sees on a terminal. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "\uFFFD");
}
