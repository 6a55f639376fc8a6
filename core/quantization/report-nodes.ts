import type { Node } from "../onnx/model.ts";
import { isDefaultDomain, type OpenGraph } from "../onnx/rewrite.ts";
import { allSubgraphs } from "../onnx/walk.ts";
import type { NodeAction } from "./pass.ts";

/** Names for reports: exporters may leave nodes unnamed, their place names them then. */
export function nodeNames(nodes: readonly Node[]): Map<Node, string> {
  return new Map(nodes.map((node, index) => [node, node.name || `${node.opType}#${index}`]));
}

export const EXCLUDED = "it is excluded";

/** The nodes whose name, or place, is among the patterns; `*` stands for any characters. */
export function excludedNodes(nodes: readonly Node[], patterns: readonly string[]): ReadonlySet<Node> {
  if (patterns.length === 0) return new Set();
  const matchers = patterns.map((pattern) => pattern.split("*"));
  return new Set(
    [...nodeNames(nodes)].flatMap(([node, name]) => (matchers.some((parts) => matches(name, parts)) ? [node] : [])),
  );
}

/** Whether a name is made of the parts in order with anything between them. No regular expression: its stars could take forever. */
function matches(name: string, [first = "", ...rest]: readonly string[]): boolean {
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** Why the nodes of these operators inside subgraphs stay: rewriting is done in the main graph alone. */
export function actionsInSubgraphs(graph: OpenGraph, operators: readonly string[]): NodeAction[] {
  const nodes = [...allSubgraphs(graph.graph.nodes)].flatMap((inner) => inner.nodes);
  const names = nodeNames(nodes);
  return nodes
    .filter((node) => isDefaultDomain(node) && operators.includes(node.opType))
    .map((node) => ({
      name: names.get(node)!,
      operator: node.opType,
      action: "left",
      reason: "it is inside a subgraph (If, Loop, Scan)",
    }));
}
