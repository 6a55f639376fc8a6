import type { OnnxModel } from "../onnx/model.ts";
import { openGraph } from "../onnx/rewrite.ts";
import { nodeNames } from "./report-nodes.ts";

/** Kernels that compute with stored integers. */
const INTEGER_KERNELS: readonly string[] = [
  "DynamicQuantizeLSTM",
  "DynamicQuantizeMatMul",
  "MatMulInteger",
  "MatMulIntegerToFloat",
  "MatMulNBits",
  "QGemm",
  "QLinearConv",
  "QLinearMatMul",
];

/** Nodes that turn stored constants back into float. */
const WIDENING: readonly string[] = ["DequantizeLinear", "Cast", "Mul"];

export interface FusedKernels {
  /** How many kernels compute with integers. */
  readonly integerCount: number;
  /** Nodes that compute in float on constants that are widened again at every run. */
  readonly unfused: readonly string[];
}

/**
 * Looks into a model as ONNX Runtime executes it: a layer that was meant to be computed in integers, or stored in fewer bits and widened
 * once, and is widened at every run instead, costs more than fp32.
 */
export function findUnfused(executed: OnnxModel): FusedKernels {
  const graph = openGraph(executed);
  const names = nodeNames(graph.graph.nodes);
  const widened = new Set<string>();
  const unfused: string[] = [];
  let integerCount = 0;
  for (const node of graph.graph.nodes) {
    if (INTEGER_KERNELS.includes(node.opType)) integerCount++;
    const isConstant = (input: string) => input === "" || widened.has(input) || graph.constant(input) !== undefined;
    if (WIDENING.includes(node.opType) && node.inputs.every(isConstant)) {
      for (const output of node.outputs) widened.add(output);
    } else if (node.inputs.some((input) => widened.has(input))) {
      unfused.push(names.get(node)!);
    }
  }
  return { integerCount, unfused };
}
