/** 4-bit weights as `onnxruntime.quantization.matmul_nbits_quantizer` makes them by its default algorithm. */
import { createNode, createTensor } from "../onnx/create.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { quantizeBlocks } from "./blocks.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { planMatrix, reasonTooFew, reasonToShareInFloat, weightValues, type Plan } from "./plan.ts";
import { actionsInSubgraphs, EXCLUDED, excludedNodes, nodeNames } from "./report-nodes.ts";

const OPERATORS = ["MatMul", "Gemm"];

/** Bytes in the file of the node and its constants, names included. */
const NODE_BYTES = 400;

export const weightOnlyInt4: QuantizationPass = {
  name: "weight-only-int4",
  description: "weights of MatMul and Gemm stored as 4-bit integers, one scale a block; activations stay float",
  options: ["blockSize", "isSymmetric", "accuracyLevel"],
  source: "original",
  operators: OPERATORS,
  minimumOpset: 9,
  batchInvariant: true,
  isInteger: true,
  calibrated: null,
  rewrite,
};

function rewrite(model: OnnxModel, settings: PassSettings): NodeAction[] {
  const graph = openGraph(model);
  const candidates = graph.graph.nodes.filter((node) => isDefaultDomain(node) && OPERATORS.includes(node.opType));
  const names = nodeNames(graph.graph.nodes);
  const excluded = excludedNodes(graph.graph.nodes, settings.nodesToExclude);
  const reasons = new Map<Node, string>();
  const plans = new Map<Node, Plan>();
  for (const node of candidates) {
    const plan = excluded.has(node) ? EXCLUDED : planMatrix(graph, node);
    if (typeof plan === "string") reasons.set(node, plan);
    else plans.set(node, plan);
  }
  for (const [node, plan] of plans) {
    const reason = reasonToShareInFloat(graph, plan, plans) ?? reasonTooLarge(graph, plan, settings);
    if (reason !== undefined) reasons.set(node, reason);
  }
  const weights = new Map<string, readonly string[]>();
  const actions = candidates.map((node): NodeAction => {
    const about = { name: names.get(node)!, operator: node.opType };
    const left = reasons.get(node);
    if (left !== undefined) return { ...about, action: "left", reason: left };
    const plan = plans.get(node)!;
    const operands = weights.get(plan.weightName) ?? addBlocks(graph, plan, settings);
    weights.set(plan.weightName, operands);
    replace(graph, plan, { operands, settings });
    const shape = plan.weight.dims.join(", ");
    return {
      ...about,
      action: "quantized",
      reason: `weights [${shape}] as int4, one scale a block of ${settings.blockSize}`,
    };
  });
  graph.removeUnused();
  return [...actions, ...actionsInSubgraphs(graph, OPERATORS)];
}

/** A weight as a matrix of [rows, columns], whichever way round it is stored. */
function matrixOf({ weight, form }: Plan): { readonly rows: number; readonly columns: number } {
  const [first = 0, second = 0] = weight.dims;
  return form === "transposed-columns" ? { rows: second, columns: first } : { rows: first, columns: second };
}

function reasonTooLarge(graph: OpenGraph, plan: Plan, { blockSize, isSymmetric }: PassSettings): string | undefined {
  const { rows, columns } = matrixOf(plan);
  const blocks = columns * Math.ceil(rows / blockSize);
  const bytes =
    blocks * (blockSize / 2 + 4 + (isSymmetric ? 0 : 1)) + NODE_BYTES * graph.readers(plan.weightName).length;
  return reasonTooFew(rows * columns, 4 * rows * columns - bytes)?.replace("int8", "int4");
}

/** Adds the packed weights, their scales and zero points, and returns their names. */
function addBlocks(graph: OpenGraph, plan: Plan, settings: PassSettings): string[] {
  const { rows, columns } = matrixOf(plan);
  const isTransposed = plan.form === "transposed-columns";
  const straight = isTransposed ? transpose(weightValues(plan), columns, rows) : weightValues(plan);
  const { values, scales, zeroPoints, blockCount } = quantizeBlocks(straight, { rows, columns }, settings);
  const name = plan.weightName;
  const blockBytes = settings.blockSize / 2;
  const added = [
    createTensor(`${name}_Q4`, "UINT8", [columns, blockCount, blockBytes], values),
    createTensor(`${name}_scales`, "FP32", [columns, blockCount], scales),
    ...(zeroPoints === undefined
      ? []
      : [createTensor(`${name}_zero_points`, "UINT8", [columns, Math.ceil(blockCount / 2)], zeroPoints)]),
  ];
  return added.map((tensor) => graph.addConstant(tensor));
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const transposed = new Float32Array(values.length);
  for (let row = 0, from = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, from++) transposed[column * rows + row] = values[from]!;
  }
  return transposed;
}

function replace(
  graph: OpenGraph,
  plan: Plan,
  { operands, settings }: { readonly operands: readonly string[]; readonly settings: PassSettings },
): void {
  const { node } = plan;
  const { rows, columns } = matrixOf(plan);
  const { blockSize, accuracyLevel } = settings;
  const [input = "", , bias = ""] = node.inputs;
  const [output = ""] = node.outputs;
  const isBiased = node.opType === "Gemm" && bias !== "";
  const product = isBiased ? graph.uniqueName(`${output}_MatMul`) : output;
  const attributes = {
    K: rows,
    N: columns,
    bits: 4,
    block_size: blockSize,
    ...(accuracyLevel === 0 ? {} : { accuracy_level: accuracyLevel }),
  };
  const naming = {
    name: graph.uniqueName(`${node.name || output}_Q4`),
    domain: graph.importDomain("com.microsoft", 1),
  };
  const sum = { name: graph.uniqueName(`${node.name || output}_Add`) };
  graph.replace(node, [
    createNode("MatMulNBits", [input, ...operands], [product], attributes, naming),
    ...(isBiased ? [createNode("Add", [product, bias], [output], {}, sum)] : []),
  ]);
}
