import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import { roundHalfToEven } from "../onnx/half.ts";
import type { Node } from "../onnx/model.ts";
import { intAttribute, type OpenGraph } from "../onnx/rewrite.ts";
import { elementCount } from "../onnx/tensor-storage.ts";
import { channelScales, channelsOf, quantizeChannels, scaleLayout, type ChannelLayout } from "./linear.ts";
import { constantWeight, planMatrix, reasonTooFew, weightValues, type Plan } from "./plan.ts";

/** Bytes in the file, at most, of the nodes and constants around a quantized MatMul or Gemm, names included. */
const NODE_BYTES = 900;

const INT32 = { lowest: -(2 ** 31), highest: 2 ** 31 - 1 };

export interface WeightedPlan extends Plan {
  /** The axis with one scale a channel. */
  readonly axis: number;
  readonly layout: ChannelLayout;
  /** The constant bias, one value a channel. */
  readonly bias: { readonly name: string; readonly values: Float32Array } | null;
}

type WeightOptions = Pick<QuantizationOptions, "perChannel" | "reduceRange">;

/** The axis of an operator's outputs in its weights. */
function channelAxis(node: Node, form: Plan["form"]): number {
  return form === "columns" || node.opType === "ConvTranspose" ? 1 : 0;
}

/** The plan for a node with constant weights, or why there is none. */
export function planWeighted(graph: OpenGraph, node: Node, options: WeightOptions): WeightedPlan | string {
  const isConvolution = node.opType === "Conv" || node.opType === "ConvTranspose";
  const plan = isConvolution ? planConvolution(graph, node) : planMatrix(graph, node);
  if (typeof plan === "string") return plan;
  const input = node.inputs[0] ?? "";
  if (input === "") return "it has no first operand";
  if (graph.constant(input) !== undefined) return "its first operand is a constant too";
  const axis = channelAxis(node, plan.form);
  const { dims } = plan.weight;
  const channels = dims[axis]! * (node.opType === "ConvTranspose" ? intAttribute(node, "group", 1) : 1);
  const layout = scaleLayout(channelsOf(dims, axis, axis + 1), options);
  const count = elementCount(dims);
  const saved = 3 * count - 5 * layout.channels - NODE_BYTES * graph.readers(plan.weightName).length;
  // A Conv is worth it whatever its size: its time is not in its weights, and those around it stay in integers.
  const tooFew = isConvolution ? undefined : reasonTooFew(count, saved);
  if (tooFew !== undefined) return tooFew;
  const biasName = node.opType === "MatMul" ? "" : (node.inputs[2] ?? "");
  if (biasName === "") return { ...plan, axis, layout, bias: null };
  const bias = constantWeight(graph, biasName, "bias");
  if (typeof bias === "string") return bias.replace("its constant", "its bias");
  const [size, ...others] = bias.weight.dims;
  if (size !== channels || others.length > 0) {
    return `its bias has the shape [${bias.weight.dims.join(", ")}], not [${channels}]`;
  }
  if (options.perChannel && channels !== layout.channels) return "its groups share scales, which its bias cannot";
  return { ...plan, axis, layout, bias: { name: biasName, values: bias.values } };
}

function planConvolution(graph: OpenGraph, node: Node): Plan | string {
  const weightName = node.inputs[1] ?? "";
  const found = constantWeight(graph, weightName, "filter");
  if (typeof found === "string") return found;
  return found.weight.dims.length < 3
    ? "its filter has no spatial axis"
    : { node, weightName, weight: found.weight, form: "filters" };
}

/**
 * The scales of every weight. A bias is stored as int32 with the product of input and weight scale, so where a bias would not fit, the
 * weight's scale grows until it does. Arithmetic as in qdq_quantizer.py, which mixes float32 and float64.
 *
 * @param inputScale of a node's first operand
 * @returns scales by the weight's name
 */
export function weightScales(
  plans: readonly WeightedPlan[],
  inputScale: (plan: WeightedPlan) => number,
  options: WeightOptions,
): Map<string, Float32Array> {
  const scales = new Map<string, Float32Array>();
  for (const plan of plans) {
    const { weightName, layout } = plan;
    if (!scales.has(weightName)) scales.set(weightName, channelScales(weightValues(plan), layout, options));
  }
  for (const plan of plans) {
    if (plan.bias === null) continue;
    const channelScale = scales.get(plan.weightName)!;
    const input = inputScale(plan);
    const grow = (channel: number, smallest: number) => {
      const candidate = input * channelScale[channel]!;
      if (candidate < smallest && candidate > 0) channelScale[channel]! *= smallest / candidate;
    };
    const { values } = plan.bias;
    if (options.perChannel) for (const [channel, bias] of values.entries()) grow(channel, smallestBiasScale(bias));
    else grow(0, (1.0001 * 2 * largestMagnitude(values)) / (2 * INT32.highest));
  }
  return scales;
}

/** Of one channel, in the float32 that NumPy keeps to there. */
function smallestBiasScale(bias: number): number {
  return Math.fround(Math.fround(1.0001) * Math.fround(2 * Math.abs(bias))) / (2 * INT32.highest);
}

function largestMagnitude(values: Float32Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** A bias as int32 with one scale a channel; a value beyond int32 is clipped. */
export function quantizeBias(
  values: Float32Array,
  inputScale: number,
  channelScale: Float32Array,
): { readonly values: Int32Array; readonly scales: Float32Array } {
  const scales = channelScale.map((scale) => inputScale * scale);
  const quantized = Int32Array.from(values, (value, channel) => {
    const rounded = roundHalfToEven(value / scales[scales.length === 1 ? 0 : channel]!);
    return Math.min(Math.max(rounded, INT32.lowest), INT32.highest);
  });
  return { values: quantized, scales };
}

/**
 * Adds the integers and scales of a weight and the DequantizeLinear that reads them; returns it. The zero points are 0, and written for a
 * Gemm alone: without them ONNX Runtime makes no QGemm of it, while it needs none for MatMul and Conv.
 */
export function addWeight(
  graph: OpenGraph,
  plan: WeightedPlan,
  { scales, perChannel }: { readonly scales: Float32Array; readonly perChannel: boolean },
): Node {
  const { weightName, weight, layout, axis } = plan;
  const count = perChannel ? [scales.length] : [];
  const quantized = quantizeChannels(weightValues(plan), layout, scales);
  const integers = createTensor(`${weightName}_quantized`, "INT8", weight.dims, quantized);
  const zeroPoints = createTensor(`${weightName}_zero_point`, "INT8", count, new Int8Array(scales.length));
  const isReadByGemm = graph.readers(weightName).some(({ opType }) => opType === "Gemm");
  const scale = createTensor(`${weightName}_scale`, "FP32", count, scales);
  return dequantize(graph, {
    of: weightName,
    axis: perChannel ? axis : null,
    constants: isReadByGemm ? [integers, scale, zeroPoints] : [integers, scale],
  });
}

/** As `addWeight`, for the int32 bias, whose zero points are 0 and need not be written. */
export function addBias(
  graph: OpenGraph,
  name: string,
  { values, scales }: { readonly values: Int32Array; readonly scales: Float32Array },
): Node {
  const count = scales.length;
  const axis = count === 1 ? null : 0;
  const integers = createTensor(`${name}_quantized`, "INT32", [values.length], values);
  const scale = createTensor(`${name}_quantized_scale`, "FP32", [count], scales);
  return dequantize(graph, { of: name, axis, constants: [integers, scale] });
}

function dequantize(
  graph: OpenGraph,
  {
    of,
    axis,
    constants,
  }: {
    readonly of: string;
    /** Null when all channels share one scale. */
    readonly axis: number | null;
    readonly constants: readonly Parameters<OpenGraph["addConstant"]>[0][];
  },
): Node {
  const inputs = constants.map((tensor) => graph.addConstant(tensor));
  const output = graph.uniqueName(`${of}_DequantizeLinear_Output`);
  return createNode("DequantizeLinear", inputs, [output], axis === null ? {} : { axis });
}
