import { datatypeOf } from "../onnx/datatypes.ts";
import type { Node, Tensor } from "../onnx/model.ts";
import { floatAttribute, intAttribute, type OpenGraph } from "../onnx/rewrite.ts";
import { elementCount } from "../onnx/tensor-storage.ts";
import { floatValues, tensorValues } from "../onnx/tensor.ts";

/** A node that can be quantized and the constant it reads. */
export interface Plan {
  readonly node: Node;
  readonly weightName: string;
  /** Finite FP32; read it with `weightValues`. */
  readonly weight: Tensor;
  /** Nodes sharing a weight must agree in this, as it decides the quantized form. */
  readonly form: "columns" | "transposed-columns" | "table" | "filters";
}

/** The numbers of a weight, for as long as they are worked on: where the file has them unaligned they are a copy, which nobody should hold. */
export const weightValues = ({ weight }: Pick<Plan, "weight">): Float32Array => tensorValues(weight) as Float32Array;

/** The finite FP32 constant behind an operand, or why there is none. */
export function constantWeight(
  graph: OpenGraph,
  name: string,
  operand: string,
): { readonly weight: Tensor; readonly values: Float32Array } | string {
  const weight = graph.constant(name);
  if (weight === undefined) return `its ${operand} is no constant`;
  const datatype = datatypeOf(weight.dataType);
  if (datatype !== "FP32") return `its constant is ${datatype ?? `of type ${weight.dataType}`}, not FP32`;
  const values = floatValues(weight);
  if (values === undefined) return "its constant is in another file";
  return areFinite(values) ? { weight, values } : "its constant holds NaN or infinity";
}

/** Three native passes: a loop of our own takes ten times as long until it is compiled, and is hardly faster then. */
function areFinite(values: Float32Array): boolean {
  return !values.includes(Number.NaN) && !values.includes(Infinity) && !values.includes(-Infinity);
}

/** The plan for a MatMul or Gemm whose second operand is a constant matrix, or why there is none. */
export function planMatrix(graph: OpenGraph, node: Node): Plan | string {
  const weightName = node.inputs[1] ?? "";
  const found = constantWeight(graph, weightName, "second operand");
  if (typeof found === "string") return found;
  const axisCount = found.weight.dims.length;
  if (axisCount !== 2) return `its weights have ${axisCount} axes, not 2`;
  if (node.opType === "Gemm") {
    const [alpha, beta] = [floatAttribute(node, "alpha", 1), floatAttribute(node, "beta", 1)];
    if (alpha !== 1 || beta !== 1) return `alpha is ${alpha} and beta is ${beta}, both must be 1`;
    if (intAttribute(node, "transA", 0) !== 0) return "its first operand is transposed";
  }
  const isTransposed = node.opType === "Gemm" && intAttribute(node, "transB", 0) !== 0;
  return { node, weightName, weight: found.weight, form: isTransposed ? "transposed-columns" : "columns" };
}

/** The plan for a Gather from a constant table, or why there is none. */
export function planTable(graph: OpenGraph, node: Node): Plan | string {
  const weightName = node.inputs[0] ?? "";
  const found = constantWeight(graph, weightName, "table");
  return typeof found === "string" ? found : { node, weightName, weight: found.weight, form: "table" };
}

/** Bytes in the file of the node behind a Gather, names included. */
const TABLE_NODE_BYTES = 150;

/** The reason to leave a table in float that int8 would make larger. */
export function reasonTableTooFew(graph: OpenGraph, { weight, weightName }: Plan): string | undefined {
  const count = elementCount(weight.dims);
  return reasonTooFew(count, 3 * count - 5 - TABLE_NODE_BYTES * graph.readers(weightName).length);
}

/** Why a weight cannot leave float though its node could be quantized: it would then be stored twice. */
export function reasonToShareInFloat(
  graph: OpenGraph,
  { weightName, form }: Plan,
  plans: ReadonlyMap<Node, { readonly form: string; readonly weightName?: string }>,
): string | undefined {
  if (graph.isOutput(weightName)) return "its weights are an output of the graph";
  const other = graph.readers(weightName).find((reader) => {
    const theirs = plans.get(reader);
    const uses = reader.inputs.filter((input) => input === weightName).length;
    return theirs?.weightName !== weightName || theirs.form !== form || uses !== 1;
  });
  return other && `its weights are also read in float by ${other.opType} "${other.name}"`;
}

/** The reason to leave a weight that int8 would make larger; undefined when bytes are saved. */
export function reasonTooFew(elementCount: number, savedBytes: number): string | undefined {
  if (savedBytes > 0) return undefined;
  return `${elementCount} weights are too few: int8 would make the file ${-savedBytes} bytes larger`;
}
