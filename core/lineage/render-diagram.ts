import type { LineageGraph } from "../../contracts/lineage.ts";
import { describeCompleteness } from "./describe-completeness.ts";

/** A graph in Graphviz' language: things are boxes, executions ellipses, arrows point in the direction of time. */
export function renderDot(graph: LineageGraph): string {
  const quote = (text: string) =>
    `"${text
      .replaceAll("\\", "\\\\")
      .replaceAll('"', '\\"')
      .replaceAll(/[\p{Cc}]/gu, " ")}"`;
  const done = (execution: string) => quote(`execution ${execution}`);
  const lines = [
    "digraph lineage {",
    "  rankdir=LR;",
    `  label=${quote(describeCompleteness(graph))};`,
    "  node [shape=box];",
    ...graph.nodes.map(
      ({ ref, label }) =>
        `  ${quote(ref)} [label=${quote(named(ref, label))}${graph.roots.includes(ref) ? ", penwidth=2" : ""}];`,
    ),
    ...graph.executions.map(
      ({ id, kind, label }) => `  ${done(id)} [label=${quote(named(kind, label))}, shape=ellipse];`,
    ),
    ...graph.used.map(({ execution, ref, role }) => `  ${quote(ref)} -> ${done(execution)} [label=${quote(role)}];`),
    ...graph.generated.map(
      ({ execution, ref, role }) => `  ${done(execution)} -> ${quote(ref)} [label=${quote(role)}];`,
    ),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** A graph as a Mermaid flowchart, as Markdown viewers draw it. References may hold anything, so nodes get plain numbers. */
export function renderMermaid(graph: LineageGraph): string {
  // Mermaid reads #NUMBER; as a character: everything with a meaning to it is written that way.
  const quote = (text: string) =>
    `"${text.replaceAll(/[^\p{L}\p{N} .,:@/_()-]/gu, (one) => `#${one.codePointAt(0)};`)}"`;
  const things = new Map(graph.nodes.map(({ ref }, index) => [ref, `n${index}`]));
  const done = new Map(graph.executions.map(({ id }, index) => [id, `e${index}`]));
  const lines = [
    "flowchart LR",
    `  %% ${describeCompleteness(graph).replaceAll(/[\p{Cc}{}]/gu, " ")}`,
    ...graph.nodes.map(({ ref, label }) => `  ${things.get(ref)}[${quote(named(ref, label))}]`),
    ...graph.executions.map(({ id, kind, label }) => `  ${done.get(id)}([${quote(named(kind, label))}])`),
    ...graph.used.map(({ execution, ref, role }) => `  ${things.get(ref)} -->|${quote(role)}| ${done.get(execution)}`),
    ...graph.generated.map(
      ({ execution, ref, role }) => `  ${done.get(execution)} -->|${quote(role)}| ${things.get(ref)}`,
    ),
    ...graph.roots.flatMap((ref) => (things.has(ref) ? [`  style ${things.get(ref)} stroke-width:3px`] : [])),
  ];
  return `${lines.join("\n")}\n`;
}

const named = (name: string, label: string) => (label === "" ? name : `${name}: ${label}`);
