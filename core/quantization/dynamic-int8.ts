/**
 * Dynamic int8 as `onnxruntime.quantization.quantize_dynamic(per_channel=True, weight_type=QInt8)` does it, without its two
 * hazards: a weight somebody else reads is never transposed under their feet, and a weight too small to pay is left alone.
 */
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { createGatherRewrite } from "./gather-uint8.ts";
import { createMatMulRewrite } from "./matmul-integer.ts";
import type { NodeAction, QuantizationPass } from "./pass.ts";
import { constantWeight, planMatrix, reasonTooFew, reasonToShareInFloat, type Plan } from "./plan.ts";
import { actionsInSubgraphs, nodeNames } from "./report-nodes.ts";

/** Bytes in the file of the five nodes, names included, that replace a MatMul, and of the one behind a Gather. */
const NODE_BYTES = { columns: 700, "transposed-columns": 800, table: 150 } as const;

const OPERATORS = ["MatMul", "Gemm", "Gather"];

export const dynamicInt8: QuantizationPass = {
  name: "dynamic-int8",
  description:
    "weights of MatMul, Gemm and Gather stored as 8-bit integers, activations quantized for each batch as it comes",
  operators: OPERATORS,
  minimumOpset: 11,
  batchInvariant: false,
  calibrated: null,
  rewrite,
};

function rewrite(model: OnnxModel): NodeAction[] {
  const graph = openGraph(model);
  const plans = new Map<Node, Plan>();
  const reasons = new Map<Node, string>();
  const candidates = graph.graph.nodes.filter((node) => isDefaultDomain(node) && OPERATORS.includes(node.opType));
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
  return [...actions, ...actionsInSubgraphs(graph, OPERATORS)];
}

/** The plan for a node, or why there is none. */
function planNode(graph: OpenGraph, node: Node): Plan | string {
  if (node.opType !== "Gather") return planMatrix(graph, node);
  const weightName = node.inputs[0] ?? "";
  const found = constantWeight(graph, weightName, "table");
  return typeof found === "string" ? found : { node, weightName, ...found, form: "table" };
}

/** Why a weight stays in float though its node could be quantized: it would then be stored twice, or grow. */
function reasonAgainstWeight(graph: OpenGraph, plan: Plan, plans: ReadonlyMap<Node, Plan>): string | undefined {
  const shared = reasonToShareInFloat(graph, plan, plans);
  if (shared !== undefined) return shared;
  const { form, weight, weightName } = plan;
  const elements = plan.values.length;
  const channels = form === "table" ? 1 : weight.dims[form === "columns" ? 1 : 0]!;
  // 3 of 4 bytes of each element are saved; each channel costs a float32 scale and an int8 zero point.
  const nodeBytes = NODE_BYTES[form === "filters" ? "columns" : form] * graph.readers(weightName).length;
  return reasonTooFew(elements, 3 * elements - 5 * channels - nodeBytes);
}
