import { createNode } from "../onnx/create.ts";
import type { Node } from "../onnx/model.ts";
import { isDefaultDomain, type OpenGraph } from "../onnx/rewrite.ts";
import { findRanks } from "../onnx/ranks.ts";

/**
 * Makes one Gemm of a MatMul of a matrix and the Add of a bias behind it, as ONNX Runtime's basic optimizer does: the bias is then
 * quantized with the product instead of added in a kernel of its own. Both names go on: the MatMul's as the node's, the Add's as the
 * output's. Left alone: a first operand not known to have two axes, a product somebody else reads, a bias that is no row.
 *
 * @returns the Gemm by each of the two nodes it stands for
 */
export function joinBiases(graph: OpenGraph): ReadonlyMap<Node, Node> {
  const joined = new Map<Node, Node>();
  const ranks = findRanks(graph);
  for (const matmul of graph.match("MatMul")) {
    const [input = "", weight = ""] = matmul.inputs;
    const [product = ""] = matmul.outputs;
    const columns = graph.constant(weight)?.dims;
    const [add, ...others] = graph.readers(product);
    if (add === undefined || others.length > 0 || graph.isOutput(product)) continue;
    if (ranks.get(input) !== 2 || columns?.length !== 2) continue;
    const bias = biasOf(add, product);
    const dims = graph.constant(bias)?.dims;
    if (dims?.length !== 1 || dims[0] !== columns[1]) continue;
    const gemm = createNode("Gemm", [input, weight, bias], add.outputs, {}, { name: matmul.name });
    graph.replace(add, [gemm]);
    graph.remove(matmul);
    joined.set(matmul, gemm).set(add, gemm);
  }
  return joined;
}

/** What is added to a value by a node that adds exactly that; empty otherwise. */
function biasOf(add: Node, product: string): string {
  if (add.opType !== "Add" || !isDefaultDomain(add) || add.inputs.length !== 2) return "";
  const others = add.inputs.filter((input) => input !== product);
  return others.length === 1 ? others[0]! : "";
}
