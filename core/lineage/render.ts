import { renderDot, renderMermaid } from "./render-diagram.ts";
import { renderTree } from "./render-tree.ts";
import type { LineageWalk } from "./walk.ts";

/** Registry of renderings: a line each. All end with a newline and all say whether they are complete. */
export const lineageRenderers = {
  tree: renderTree,
  dot: renderDot,
  mermaid: renderMermaid,
  json: (walk: LineageWalk) => `${JSON.stringify(walk, null, 2)}\n`,
} satisfies Record<string, (walk: LineageWalk) => string>;

export type LineageFormat = keyof typeof lineageRenderers;
