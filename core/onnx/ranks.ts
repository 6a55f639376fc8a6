import type { Node } from "./messages.ts";
import { intAttribute, isDefaultDomain, type OpenGraph } from "./rewrite.ts";

/** Operators whose output has as many axes as their first input. */
const KEEPING: readonly string[] = [
  "Abs",
  "AveragePool",
  "BatchNormalization",
  "Cast",
  "Clip",
  "Concat",
  "Conv",
  "Dropout",
  "Elu",
  "Erf",
  "Exp",
  "Gelu",
  "GlobalAveragePool",
  "HardSigmoid",
  "Identity",
  "LayerNormalization",
  "LeakyRelu",
  "LogSoftmax",
  "MaxPool",
  "Neg",
  "Relu",
  "Selu",
  "Sigmoid",
  "Softmax",
  "Softplus",
  "Sqrt",
  "Tanh",
  "Transpose",
];
/** Operators that broadcast: as many axes as the input with most. */
const BROADCASTING: readonly string[] = ["Add", "Sub", "Mul", "Div", "Where", "Max", "Min", "Pow"];

/**
 * The number of axes of the values of the main graph, as far as declared types, constants and a few operators tell; a value that is not
 * in the map may have any number. Types the file declares for inner values are believed, since ONNX Runtime checks them.
 */
export function findRanks(open: OpenGraph): ReadonlyMap<string, number> {
  const { graph } = open;
  const ranks = new Map<string, number>();
  for (const { name, type } of [...graph.inputs, ...graph.valueInfos, ...graph.outputs]) {
    const shape = type?.tensor?.shape;
    if (shape !== undefined) ranks.set(name, shape.dims.length);
  }
  for (const { name, dims } of graph.initializers) ranks.set(name, dims.length);
  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    if (output === "" || ranks.has(output) || !isDefaultDomain(node)) continue;
    const rank = rankOf(node, ranks, open);
    if (rank !== undefined) ranks.set(output, rank);
  }
  return ranks;
}

function rankOf(node: Node, ranks: ReadonlyMap<string, number>, open: OpenGraph): number | undefined {
  const inputs = node.inputs.map((input) => ranks.get(input));
  const [first, second] = inputs;
  if (node.opType === "Constant") return open.constant(node.outputs[0] ?? "")?.dims.length;
  if (node.opType === "Gemm" || node.opType === "Flatten") return 2;
  if (KEEPING.includes(node.opType)) return first;
  if (BROADCASTING.includes(node.opType)) {
    return inputs.reduce<number | undefined>(
      (most, rank) => (most === undefined || rank === undefined ? undefined : Math.max(most, rank)),
      0,
    );
  }
  if (node.opType === "Reshape") return open.constant(node.inputs[1] ?? "")?.dims[0];
  if (first === undefined || second === undefined) return undefined;
  if (node.opType === "MatMul") return first > 1 && second > 1 ? Math.max(first, second) : undefined;
  if (node.opType === "Gather") return first - 1 + second;
  if (node.opType === "Unsqueeze") return addAxes(node, first, open, 1);
  if (node.opType === "Squeeze") return addAxes(node, first, open, -1);
  return intAttribute(node, "keepdims", 1) === 1 && node.opType.startsWith("Reduce") ? first : undefined;
}

function addAxes(node: Node, rank: number, open: OpenGraph, direction: 1 | -1): number | undefined {
  const count = open.constant(node.inputs[1] ?? "")?.dims[0];
  return count === undefined ? undefined : rank + direction * count;
}
