/**
 * Dynamic int8 as `onnxruntime.quantization.quantize_dynamic(weight_type=QInt8)` does it, without its hazards: a weight somebody
 * else reads is never transposed under their feet, a weight too small to pay is left alone, and so is every Conv, whose dynamic form is
 * four times slower than fp32: beside layers that are computed in integers its filters are stored in 8 bits and widened when it is loaded.
 */
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { elementCount } from "../onnx/tensor-storage.ts";
import { createGatherRewrite } from "./gather-uint8.ts";
import { planLstm, rewriteLstm, type LstmPlan } from "./lstm-integer.ts";
import { createMatMulRewrite } from "./matmul-integer.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { planMatrix, planTable, reasonTableTooFew, reasonTooFew, reasonToShareInFloat, type Plan } from "./plan.ts";
import { actionsInSubgraphs, EXCLUDED, excludedNodes, nodeNames } from "./report-nodes.ts";
import { storeConstant, type Stored } from "./store-constants.ts";
import { storeInt8Channels } from "./store-int8.ts";

/** Bytes in the file, at most, of the nodes that replace a MatMul or LSTM, names included. */
const NODE_BYTES = { columns: 700, gates: 500 } as const;

const COMPUTED_OPERATORS = ["MatMul", "Gemm", "Gather", "LSTM"];
const STORED_OPERATORS = ["Conv", "ConvTranspose"];
const OPERATORS = [...COMPUTED_OPERATORS, ...STORED_OPERATORS];

type AnyPlan = Plan | LstmPlan;

export const dynamicInt8: QuantizationPass = {
  name: "dynamic-int8",
  description:
    "weights of MatMul, Gemm, LSTM and Gather as 8-bit integers, activations quantized for each batch as it comes; filters of Conv stored in 8 bits",
  options: ["perChannel", "reduceRange"],
  source: "original",
  operators: OPERATORS,
  minimumOpset: 11,
  batchInvariant: false,
  isInteger: true,
  calibrated: null,
  rewrite,
};

function rewrite(model: OnnxModel, settings: PassSettings): NodeAction[] {
  const graph = openGraph(model);
  const plans = new Map<Node, AnyPlan>();
  const reasons = new Map<Node, string>();
  const candidates = graph.graph.nodes.filter((node) => isDefaultDomain(node) && OPERATORS.includes(node.opType));
  const excluded = excludedNodes(graph.graph.nodes, settings.nodesToExclude);
  for (const node of candidates) {
    if (STORED_OPERATORS.includes(node.opType)) continue;
    const plan = excluded.has(node) ? EXCLUDED : planNode(graph, node);
    if (typeof plan === "string") reasons.set(node, plan);
    else plans.set(node, plan);
  }
  for (const [node, plan] of plans) {
    const reason = reasonAgainstWeight(graph, plan, plans);
    if (reason !== undefined) reasons.set(node, reason);
  }
  const names = nodeNames(graph.graph.nodes);
  const rewriteMatMul = createMatMulRewrite(graph, settings);
  const rewriteGather = createGatherRewrite(graph);
  const apply = (plan: AnyPlan): string => {
    if (plan.form === "gates") return rewriteLstm(graph, plan, settings);
    return plan.form === "table" ? rewriteGather(plan) : rewriteMatMul(plan);
  };
  const filters = new Map<string, Stored>();
  const storeFilter = (node: Node): Stored => {
    const name = node.inputs[1] ?? "";
    const request = { store: storeInt8Channels, excluded };
    const stored = filters.get(name) ?? storeConstant(graph, { name, reader: node, operand: 1 }, request);
    filters.set(name, stored);
    return stored;
  };
  const actions = candidates.map((node): NodeAction => {
    const left = reasons.get(node);
    const about = { name: names.get(node)!, operator: node.opType };
    if (STORED_OPERATORS.includes(node.opType)) return { ...about, ...storeFilter(node) };
    if (left !== undefined) return { ...about, action: "left", reason: left };
    return { ...about, action: "quantized", reason: apply(plans.get(node)!) };
  });
  graph.removeUnused();
  return [...actions, ...actionsInSubgraphs(graph, OPERATORS)];
}

/** The plan for a node, or why there is none. */
function planNode(graph: OpenGraph, node: Node): AnyPlan | string {
  if (node.opType === "LSTM") return planLstm(graph, node);
  return node.opType === "Gather" ? planTable(graph, node) : planMatrix(graph, node);
}

/** Why a weight stays in float though its node could be quantized: it would then be stored twice, or grow. */
function reasonAgainstWeight(graph: OpenGraph, plan: AnyPlan, plans: ReadonlyMap<Node, AnyPlan>): string | undefined {
  if (plan.form === "gates") {
    const elements = plan.weights.reduce((sum, { weight }) => sum + elementCount(weight.dims), 0);
    const rows = plan.weights.reduce((sum, { weight: { dims } }) => sum + dims[0]! * dims[1]!, 0);
    return reasonTooFew(elements, 3 * elements - 5 * rows - NODE_BYTES.gates);
  }
  const shared = reasonToShareInFloat(graph, plan, plans);
  if (shared !== undefined) return shared;
  if (plan.form === "table") return reasonTableTooFew(graph, plan);
  const { form, weight, weightName } = plan;
  const count = elementCount(weight.dims);
  const channels = weight.dims[form === "columns" ? 1 : 0]!;
  // 3 of 4 bytes of each element are saved; each channel costs a float32 scale.
  const nodeBytes = NODE_BYTES.columns * graph.readers(weightName).length;
  return reasonTooFew(count, 3 * count - 4 * channels - nodeBytes);
}
