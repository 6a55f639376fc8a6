import { describeCompleteness } from "./describe-completeness.ts";
import type { LineageWalk } from "./walk.ts";

/** A walk in Graphviz' language; arrows point downstream, in the direction of time. */
export function renderDot(walk: LineageWalk): string {
  const quote = (text: string) =>
    `"${text
      .replaceAll("\\", "\\\\")
      .replaceAll('"', '\\"')
      .replaceAll(/[\p{Cc}]/gu, " ")}"`;
  const lines = [
    "digraph lineage {",
    "  rankdir=LR;",
    `  label=${quote(describeCompleteness(walk))};`,
    "  node [shape=box];",
    ...walk.nodes.map(
      ({ ref, kind, label }) =>
        `  ${quote(ref)} [label=${quote(`${kind}: ${label || ref}`)}${ref === walk.root ? ", penwidth=2" : ""}];`,
    ),
    ...walk.missing.map((ref) => `  ${quote(ref)} [label=${quote(`${ref} (not recorded)`)}, style=dashed];`),
    ...walk.edges.map(({ from, to, role }) => `  ${quote(from)} -> ${quote(to)} [label=${quote(role)}];`),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** A walk as a Mermaid flowchart, as Markdown viewers draw it. References may hold anything, so nodes get plain numbers. */
export function renderMermaid(walk: LineageWalk): string {
  // Mermaid reads #NUMBER; as a character: everything with a meaning to it is written that way.
  const quote = (text: string) =>
    `"${text.replaceAll(/[^\p{L}\p{N} .,:@/_()-]/gu, (one) => `#${one.codePointAt(0)};`)}"`;
  const names = new Map([...walk.nodes.map(({ ref }) => ref), ...walk.missing].map((ref, index) => [ref, `n${index}`]));
  const lines = [
    "flowchart LR",
    `  %% ${describeCompleteness(walk).replaceAll(/[\p{Cc}{}]/gu, " ")}`,
    ...walk.nodes.map(({ ref, kind, label }) => `  ${names.get(ref)}[${quote(`${kind}: ${label || ref}`)}]`),
    ...walk.missing.map((ref) => `  ${names.get(ref)}[${quote(`${ref} (not recorded)`)}]`),
    ...walk.edges.map(({ from, to, role }) => `  ${names.get(from)} -->|${quote(role)}| ${names.get(to)}`),
    ...(names.has(walk.root) ? [`  style ${names.get(walk.root)} stroke-width:3px`] : []),
  ];
  return `${lines.join("\n")}\n`;
}
