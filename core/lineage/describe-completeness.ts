import type { LineageWalk } from "./walk.ts";

/** One line that says whether a rendering shows all there is, and if not, what is wanting. */
export function describeCompleteness(walk: LineageWalk): string {
  const size = `${walk.nodes.length} nodes, ${walk.edges.length} edges ${walk.direction} of ${walk.root}`;
  if (walk.complete) return `complete: ${size}`;
  const wanting = [
    walk.truncated ? "stopped at the limit, more is recorded" : "",
    walk.missing.length > 0 ? `not recorded: ${walk.missing.join(", ")}` : "",
    walk.cycles.length > 0 ? `circular: ${walk.cycles.map(({ from, to }) => `${from} -> ${to}`).join(", ")}` : "",
  ].filter((clause) => clause !== "");
  return `INCOMPLETE: ${size}; ${wanting.join("; ")}`;
}
