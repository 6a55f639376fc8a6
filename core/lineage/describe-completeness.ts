import type { Completeness, LineageGraph } from "../../contracts/lineage.ts";

const TRUNCATIONS = {
  limit: "stopped at the limit, more is recorded",
  "older-release": "an application of the release before may have recorded more; migrate again when it is gone",
} as const;

/** Where and how whole an answer is, for the last line of a rendering. */
export function describeReading({ complete, truncatedBy, readAt }: Completeness, size: string): string {
  const at =
    readAt.seq === 0 ? "before the first audit event" : `at audit event ${readAt.seq} (${readAt.hash.slice(0, 12)})`;
  const whole = complete ? `complete: ${size}` : `INCOMPLETE: ${size}; ${TRUNCATIONS[truncatedBy ?? "limit"]}`;
  return `${whole}; read ${at}`;
}

/** One line that says whether a graph shows all there is, and if not, what is wanting. */
export function describeCompleteness(graph: LineageGraph): string {
  const { nodeCount, edgeCount, direction, roots } = graph;
  const count = (number: number, one: string) => `${number.toLocaleString("en-US")} ${one}${number === 1 ? "" : "s"}`;
  const size = `${count(nodeCount, "thing")}, ${count(edgeCount, "edge")} ${direction} of ${roots.join(", ")}`;
  return describeReading(graph, size);
}
