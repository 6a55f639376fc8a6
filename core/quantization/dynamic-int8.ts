/**
 * Dynamic int8 as `onnxruntime.quantization.quantize_dynamic(per_channel=True, weight_type=QInt8)` does it, without its two
 * hazards: a weight somebody else reads is never transposed under their feet, and a weight too small to pay is left alone.
 */
import { datatypeOf } from "../onnx/datatypes.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { floatAttribute, intAttribute, isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { floatValues } from "../onnx/tensor.ts";
import { allSubgraphs } from "../onnx/walk.ts";
import { createGatherRewrite } from "./gather-uint8.ts";
import { createMatMulRewrite } from "./matmul-integer.ts";
import type { NodeAction, QuantizationPass } from "./pass.ts";
import type { Plan } from "./plan.ts";

/** Bytes in the file of the five nodes, names included, that replace a MatMul, and of the one behind a Gather. */
const NODE_BYTES = { columns: 700, "transposed-columns": 800, table: 150 } as const;

export const dynamicInt8: QuantizationPass = {
  name: "dynamic-int8",
  description:
    "weights of MatMul, Gemm and Gather stored as 8-bit integers, activations quantized for each batch as it comes",
  operators: ["MatMul", "Gemm", "Gather"],
  minimumOpset: 11,
  batchInvariant: false,
  rewrite,
};

function rewrite(model: OnnxModel): NodeAction[] {
  const graph = openGraph(model);
  const plans = new Map<Node, Plan>();
  const reasons = new Map<Node, string>();
  const candidates = graph.graph.nodes.filter(
    (node) => isDefaultDomain(node) && dynamicInt8.operators.includes(node.opType),
  );
  for (const node of candidates) {
    const plan = planNode(graph, node);
    if (typeof plan === "string") reasons.set(node, plan);
    else plans.set(node, plan);
  }
  for (const [node, plan] of plans) {
    const reason = reasonAgainstWeight(graph, plan, plans);
    if (reason !== undefined) reasons.set(node, reason);
  }
  const names = nodeNames(graph.graph.nodes);
  const rewriteMatMul = createMatMulRewrite(graph);
  const rewriteGather = createGatherRewrite(graph);
  const actions = candidates.map((node): NodeAction => {
    const left = reasons.get(node);
    const about = { name: names.get(node)!, operator: node.opType };
    if (left !== undefined) return { ...about, action: "left", reason: left };
    const plan = plans.get(node)!;
    const reason = plan.form === "table" ? rewriteGather(plan) : rewriteMatMul(plan);
    return { ...about, action: "quantized", reason };
  });
  graph.removeUnused();
  return [...actions, ...actionsInSubgraphs(graph)];
}

/** The plan for a node, or why there is none. */
function planNode(graph: OpenGraph, node: Node): Plan | string {
  const isGather = node.opType === "Gather";
  const weightName = node.inputs[isGather ? 0 : 1] ?? "";
  const weight = graph.constant(weightName);
  if (weight === undefined) return `its ${isGather ? "table" : "second operand"} is no constant`;
  const datatype = datatypeOf(weight.dataType);
  if (datatype !== "FP32") return `its constant is ${datatype ?? `of type ${weight.dataType}`}, not FP32`;
  if (!isGather && weight.dims.length !== 2) return `its weights have ${weight.dims.length} axes, not 2`;
  const values = floatValues(weight);
  if (values === undefined) return "its constant is in another file";
  if (!values.every(Number.isFinite)) return "its constant holds NaN or infinity";
  if (node.opType === "Gemm") {
    const [alpha, beta] = [floatAttribute(node, "alpha", 1), floatAttribute(node, "beta", 1)];
    if (alpha !== 1 || beta !== 1) return `alpha is ${alpha} and beta is ${beta}, both must be 1`;
    if (intAttribute(node, "transA", 0) !== 0) return "its first operand is transposed";
  }
  const isTransposed = node.opType === "Gemm" && intAttribute(node, "transB", 0) !== 0;
  const form = isGather ? "table" : isTransposed ? "transposed-columns" : "columns";
  return { node, weightName, weight, values, form };
}

/** Why a weight stays in float though its node could be quantized: it would then be stored twice, or grow. */
function reasonAgainstWeight(graph: OpenGraph, plan: Plan, plans: ReadonlyMap<Node, Plan>): string | undefined {
  const { weightName, form, weight } = plan;
  if (graph.isOutput(weightName)) return "its weights are an output of the graph";
  const readers = graph.readers(weightName);
  const other = readers.find((reader) => {
    const theirs = plans.get(reader);
    const uses = reader.inputs.filter((input) => input === weightName).length;
    return theirs?.weightName !== weightName || theirs.form !== form || uses !== 1;
  });
  if (other !== undefined) return `its weights are also read in float by ${other.opType} "${other.name}"`;
  const elements = plan.values.length;
  const channels = form === "table" ? 1 : weight.dims[form === "columns" ? 1 : 0]!;
  // 3 of 4 bytes of each element are saved; each channel costs a float32 scale and an int8 zero point.
  const savedBytes = 3 * elements - 5 * channels - NODE_BYTES[form] * readers.length;
  if (savedBytes <= 0) return `${elements} weights are too few: int8 would make the file ${-savedBytes} bytes larger`;
  return undefined;
}

function actionsInSubgraphs(graph: OpenGraph): NodeAction[] {
  const nodes = [...allSubgraphs(graph.graph.nodes)].flatMap((inner) => inner.nodes);
  const names = nodeNames(nodes);
  return nodes
    .filter((node) => isDefaultDomain(node) && dynamicInt8.operators.includes(node.opType))
    .map((node) => ({
      name: names.get(node)!,
      operator: node.opType,
      action: "left",
      reason: "it is inside a subgraph (If, Loop, Scan)",
    }));
}

/** Names for reports: exporters may leave nodes unnamed, their place names them then. */
function nodeNames(nodes: readonly Node[]): Map<Node, string> {
  return new Map(nodes.map((node, index) => [node, node.name || `${node.opType}#${index}`]));
}
