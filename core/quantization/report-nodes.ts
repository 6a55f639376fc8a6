import type { Node } from "../onnx/model.ts";
import { isDefaultDomain, type OpenGraph } from "../onnx/rewrite.ts";
import { allSubgraphs } from "../onnx/walk.ts";
import type { NodeAction } from "./pass.ts";

/** Names for reports: exporters may leave nodes unnamed, their place names them then. */
export function nodeNames(nodes: readonly Node[]): Map<Node, string> {
  return new Map(nodes.map((node, index) => [node, node.name || `${node.opType}#${index}`]));
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
