import type { QuantizationOptions } from "../../contracts/optimization.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { allSubgraphs } from "../onnx/walk.ts";
import type { NodeAction } from "./pass.ts";
import { constantWeight } from "./plan.ts";
import { EXCLUDED, excludedNodes, nodeNames } from "./report-nodes.ts";

export interface StoredConstant {
  readonly graph: OpenGraph;
  readonly name: string;
  readonly dims: readonly number[];
  /** Finite. */
  readonly values: Float32Array;
  /** A node that reads it, and as which of its operands. */
  readonly reader: Node;
  readonly operand: number;
}

export type Store = (
  constant: StoredConstant,
) => { readonly nodes: readonly Node[]; readonly as: string } | { readonly reason: string };

export interface Stored {
  readonly action: "stored" | "left";
  readonly reason: string;
}

/**
 * Stores one FP32 constant of the main graph in another form, with nodes that turn it into FP32 again under its own name. The nodes must
 * be ones ONNX Runtime folds when it loads the model: it then computes as before, with the memory of fp32.
 *
 * @param read the constant, and a node that reads it as one of its operands
 * @param store gives these nodes and a few words for the report, or the reason to leave the constant
 */
export function storeConstant(
  graph: OpenGraph,
  { name, reader, operand }: Pick<StoredConstant, "name" | "reader" | "operand">,
  { store, excluded }: { readonly store: Store; readonly excluded: ReadonlySet<Node> },
): Stored {
  const found = constantWeight(graph, name, "operand");
  if (typeof found === "string") return { action: "left", reason: found };
  if (graph.readers(name).some((node) => excluded.has(node))) return { action: "left", reason: EXCLUDED };
  if (graph.isOutput(name)) return { action: "left", reason: "its constant is an output of the graph" };
  const { weight, values } = found;
  const stored = store({ graph, name, dims: weight.dims, values, reader, operand });
  if ("reason" in stored) return { action: "left", reason: stored.reason };
  graph.compute(name, stored.nodes);
  return { action: "stored", reason: `${name} [${weight.dims.join(", ")}] as ${stored.as}` };
}

/** Stores every FP32 constant of the main graph that is worth it; see `storeConstant`. */
export function storeConstants(
  model: OnnxModel,
  store: Store,
  { nodesToExclude }: Pick<QuantizationOptions, "nodesToExclude">,
): NodeAction[] {
  const graph = openGraph(model);
  const excluded = excludedNodes(graph.graph.nodes, nodesToExclude);
  const results = new Map<string, Stored>();
  const nodes = [...graph.graph.nodes];
  const names = nodeNames(nodes);
  const actions = nodes.flatMap((node): NodeAction[] => {
    for (const [operand, name] of node.inputs.entries()) {
      if (results.has(name) || graph.constant(name) === undefined) continue;
      results.set(name, storeConstant(graph, { name, reader: node, operand }, { store, excluded }));
    }
    const decided = [...new Set(node.inputs)].flatMap((name) => results.get(name) ?? []);
    if (decided.length === 0) return [];
    const stored = decided.filter(({ action }) => action === "stored");
    const reasons = (stored.length > 0 ? stored : decided).map(({ reason }) => reason);
    const operator = isDefaultDomain(node) ? node.opType : `${node.domain}:${node.opType}`;
    const action = stored.length > 0 ? "stored" : "left";
    return [{ name: names.get(node)!, operator, action, reason: [...new Set(reasons)].join("; ") }];
  });
  return [...actions, ...constantsInSubgraphs(graph)];
}

function constantsInSubgraphs(graph: OpenGraph): NodeAction[] {
  return [...allSubgraphs(graph.graph.nodes)].flatMap((inner) => {
    const own = new Set(inner.initializers.map(({ name }) => name));
    const names = nodeNames(inner.nodes);
    const readers = inner.nodes.filter((node) => node.inputs.some((input) => own.has(input)));
    const reason = "its constant is inside a subgraph (If, Loop, Scan)";
    return readers.map((node) => ({ name: names.get(node)!, operator: node.opType, action: "left" as const, reason }));
  });
}
