import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import { datatypeCode } from "../onnx/datatypes.ts";
import { halfToNumber, halvesOf, LARGEST_HALF, SMALLEST_NORMAL_HALF } from "../onnx/half.ts";
import type { Node, Tensor } from "../onnx/model.ts";
import { intAttribute, type OpenGraph } from "../onnx/rewrite.ts";
import { elementCount } from "../onnx/tensor-storage.ts";
import { channelScales, channelsOf, quantizeChannels, transposeInner } from "./linear.ts";
import { constantWeight, weightValues } from "./plan.ts";

/** An LSTM whose input and recurrent weights, [directions, 4 hidden, inputs], can be quantized. */
export interface LstmPlan {
  readonly node: Node;
  readonly form: "gates";
  readonly weights: readonly {
    readonly name: string;
    readonly weight: Tensor;
  }[];
}

/** Its operand numbers: the weights of the input and of the state. */
const WEIGHTS = [
  [1, "input weights"],
  [2, "recurrent weights"],
] as const;

/** The plan for an LSTM with constant weights, or why there is none. */
export function planLstm(graph: OpenGraph, node: Node): LstmPlan | string {
  if (intAttribute(node, "layout", 0) !== 0) return "its layout is batch first, which the integer LSTM does not have";
  const weights = [];
  for (const [operand, what] of WEIGHTS) {
    const name = node.inputs[operand] ?? "";
    const found = constantWeight(graph, name, what);
    if (typeof found === "string") return found;
    const { dims } = found.weight;
    if (dims.length !== 3) return `its ${what} have ${dims.length} axes, not 3`;
    if (graph.isOutput(name)) return "its weights are an output of the graph";
    // The integer form is transposed: another LSTM could share it, but no exporter writes such a model.
    if (graph.readers(name).length !== 1 || node.inputs.filter((input) => input === name).length !== 1)
      return `its ${what} are read a second time`;
    weights.push({ name, weight: found.weight });
  }
  return { node, form: "gates", weights };
}

/**
 * Where a gate has no more weights of its inputs, and no more of inputs and state together, the scales of the former are stored in half precision:
 * 4 bytes would be half as many as their weights, and take the file past 0.27 of fp32. One scale for all rows takes less still, and costs the
 * outputs up to 3 dB.
 */
const SHORT_ROW = { inputs: 8, all: 160 } as const;

/** Bytes in the file of the nodes that make a constant when the model is loaded, with what they read, names included. */
const CAST_BYTES = 100;
const PAD_BYTES = 150;
const FILL_BYTES = 150;

type LstmOptions = Pick<QuantizationOptions, "perChannel" | "reduceRange">;

interface RowOptions extends LstmOptions {
  /** Of inputs and state together. */
  readonly isShort: boolean;
}

/** Replaces an LSTM by ONNX Runtime's DynamicQuantizeLSTM, which quantizes input and state step by step. */
export function rewriteLstm(graph: OpenGraph, { node, weights }: LstmPlan, options: LstmOptions): string {
  const rows = weights.map(({ weight: { dims } }) => dims[2] ?? 0);
  const isShort = rows.reduce((sum, count) => sum + count, 0) <= SHORT_ROW.all;
  const added = weights.map((weight) => addWeight(graph, weight, { ...options, isShort }));
  const others = Array.from({ length: 4 }, (_, index) => node.inputs[index + 4] ?? "");
  const operands = [...added.map(({ quantized }) => quantized), joinBiases(graph, node), ...others];
  const name = graph.uniqueName(`${node.name || node.outputs.find(Boolean)}_quant`);
  const naming = { name, domain: graph.importDomain("com.microsoft", 1) };
  const [{ name: first, weight } = { name: "", weight: { dims: [] } }] = weights;
  const zeroPoints = addZeroPoints(graph, `${first}_zero_point`, weight.dims.slice(0, options.perChannel ? 2 : 1));
  const parameters = added.flatMap(({ scale }) => [scale, zeroPoints]);
  const inputs = [node.inputs[0] ?? "", ...operands, ...parameters];
  const made = createNode("DynamicQuantizeLSTM", inputs, node.outputs, {}, naming);
  graph.replace(node, [{ ...made, attributes: node.attributes.filter((attribute) => attribute.name !== "layout") }]);
  const shapes = weights.map(({ weight: { dims } }) => `[${dims.join(", ")}]`).join(" and ");
  return `weights ${shapes} as int8, one scale a ${options.perChannel ? "row" : "direction"}`;
}

function addWeight(graph: OpenGraph, { name, weight }: LstmPlan["weights"][number], options: RowOptions) {
  const [directions = 0, gates = 0, inputs = 0] = weight.dims;
  const layout = channelsOf(weight.dims, 0, options.perChannel ? 2 : 1);
  const values = weightValues({ weight });
  const exact = channelScales(values, layout, options);
  const halves = options.isShort && inputs <= SHORT_ROW.inputs ? scalesInHalf(exact) : undefined;
  const scales = halves === undefined ? exact : Float32Array.from(halves, halfToNumber);
  const integers = transposeInner(quantizeChannels(values, layout, scales), directions, gates, inputs);
  const count = options.perChannel ? [directions, gates] : [directions];
  const scale = createTensor(`${name}_scale`, "FP32", count, scales);
  return {
    quantized: graph.addConstant(createTensor(`${name}_quantized`, "INT8", [directions, inputs, gates], integers)),
    scale:
      halves === undefined
        ? graph.addConstant(scale)
        : widen(graph, createTensor(`${name}_scale_half`, "FP16", count, halves), scale.name),
  };
}

/** The scales in half precision; undefined where that has not all its bits for them, or saves nothing. */
function scalesInHalf(scales: Float32Array): Uint16Array | undefined {
  const fits = scales.every((scale) => scale >= SMALLEST_NORMAL_HALF && scale <= LARGEST_HALF);
  return fits && 2 * scales.length > CAST_BYTES ? halvesOf(scales) : undefined;
}

function widen(graph: OpenGraph, halves: Tensor, wanted: string): string {
  const name = graph.uniqueName(wanted);
  graph.graph.nodes.unshift(createNode("Cast", [graph.addConstant(halves)], [name], { to: datatypeCode("FP32") }));
  return name;
}

/**
 * Zero points, all 0, the same for both weights: one for each scale, since the kernel reads as many, whatever the shape it was given says.
 * Where they are many they are made when the model is loaded.
 */
function addZeroPoints(graph: OpenGraph, name: string, dims: readonly number[]): string {
  const count = elementCount(dims);
  if (count <= FILL_BYTES) return graph.addConstant(createTensor(name, "INT8", dims, new Int8Array(count)));
  const shape = createTensor(`${name}_shape`, "INT64", [dims.length], BigInt64Array.from(dims, BigInt));
  const value = { tensor: createTensor("", "INT8", [1], new Int8Array(1)) };
  const filled = graph.uniqueName(name);
  graph.graph.nodes.unshift(createNode("ConstantOfShape", [graph.addConstant(shape)], [filled], { value }));
  return filled;
}

/**
 * The biases of an LSTM, [directions, input gates and state gates], of which the kernel only ever takes the sums: these are stored, with
 * zeros put behind them when the model is loaded. What it computes is the same to the bit. A bias that others read too stays as it is.
 */
function joinBiases(graph: OpenGraph, node: Node): string {
  const name = node.inputs[3] ?? "";
  const found = constantWeight(graph, name, "bias");
  if (typeof found === "string" || graph.isOutput(name) || graph.readers(name).length !== 1) return name;
  const [directions = 0, columns = 0, ...others] = found.weight.dims;
  const gates = columns / 2;
  if (others.length > 0 || !Number.isInteger(gates) || 4 * directions * gates <= PAD_BYTES) return name;
  const sums = Float32Array.from({ length: directions * gates }, (_, at) => {
    const place = Math.floor(at / gates) * columns + (at % gates);
    return found.values[place]! + found.values[place + gates]!;
  });
  const joined = graph.addConstant(createTensor(`${name}_sum`, "FP32", [directions, gates], sums));
  const pads = createTensor(`${name}_pads`, "INT64", [4], BigInt64Array.of(0n, 0n, 0n, BigInt(gates)));
  graph.compute(name, [createNode("Pad", [joined, graph.addConstant(pads)], [name])]);
  return name;
}
