import type { LineageGraph } from "../../contracts/lineage.ts";
import { renderDot, renderMermaid } from "./render-diagram.ts";

/** Registry of renderings for other programs: a line each. All end with a newline and all say whether they are complete. */
export const lineageRenderers = {
  dot: renderDot,
  mermaid: renderMermaid,
  json: (graph: LineageGraph) => `${JSON.stringify(graph, null, 2)}\n`,
} satisfies Record<string, (graph: LineageGraph) => string>;

export type LineageFormat = keyof typeof lineageRenderers;
