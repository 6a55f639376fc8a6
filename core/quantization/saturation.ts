import type { Saturation } from "../../contracts/optimization.ts";
import { datatypeOf } from "../onnx/datatypes.ts";
import type { Node, OnnxModel, Tensor } from "../onnx/model.ts";
import { intAttribute, isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { tensorValues } from "../onnx/tensor.ts";
import { channelsOf, type ChannelLayout } from "./linear.ts";

/** An activation's largest 8-bit integer, whether it is stored as uint8 or shifted there from int8 by the kernel. */
const LARGEST_ACTIVATION = 255;
const LARGEST_SUM = 32_767;

/**
 * What a processor without VNNI could get wrong: it adds the products of two neighbouring weights and activations in 16 bits, which
 * saturate. Counted over every pair of neighbouring weights of the integer layers, for the largest activations: a pair that can overflow
 * does so only when both activations are large. A model whose activations are 8 bits and whose weights keep within 7 has none.
 */
export function measureSaturation(model: OnnxModel): Saturation {
  const graph = openGraph(model);
  let pairCount = 0;
  let overflowCount = 0;
  let largestSum = 0;
  for (const node of graph.graph.nodes) {
    for (const { values, layout } of integerWeights(graph, node)) {
      eachPair(values, layout, (one, other) => {
        // Weights of opposite signs cancel at worst not at all: one activation may be 0.
        const sum = one * other > 0 ? Math.abs(one + other) : Math.max(Math.abs(one), Math.abs(other));
        pairCount++;
        if (sum * LARGEST_ACTIVATION > LARGEST_SUM) overflowCount++;
        largestSum = Math.max(largestSum, sum * LARGEST_ACTIVATION);
      });
    }
  }
  return { pairCount, overflowShare: pairCount === 0 ? 0 : overflowCount / pairCount, largestSum };
}

interface IntegerWeights {
  readonly values: Int8Array;
  /** The channels are what is summed over. */
  readonly layout: ChannelLayout;
}

function integerWeights(graph: OpenGraph, node: Node): IntegerWeights[] {
  const read = (name: string, axes: (dims: readonly number[]) => readonly [number, number]): IntegerWeights[] => {
    const tensor = integersBehind(graph, name);
    if (tensor === undefined) return [];
    const [first, end] = axes(tensor.dims);
    return [{ values: tensorValues(tensor) as Int8Array, layout: channelsOf(tensor.dims, first, end) }];
  };
  const [, weight = "", recurrent = ""] = node.inputs;
  const rows = () => [0, 1] as const;
  if (node.opType === "DynamicQuantizeLSTM") return [weight, recurrent].flatMap((name) => read(name, () => [1, 2]));
  if (!isDefaultDomain(node)) return [];
  if (node.opType === "MatMulInteger" || node.opType === "MatMul") return read(weight, rows);
  if (node.opType === "Gemm") return read(weight, intAttribute(node, "transB", 0) === 0 ? rows : () => [1, 2]);
  return node.opType === "Conv" ? read(weight, (dims) => [1, dims.length]) : [];
}

/** The int8 constant a node reads, itself or through DequantizeLinear. */
function integersBehind(graph: OpenGraph, name: string): Tensor | undefined {
  const maker = graph.graph.nodes.find((node) => node.opType === "DequantizeLinear" && node.outputs[0] === name);
  const tensor = graph.constant(maker?.inputs[0] ?? name);
  return tensor !== undefined && datatypeOf(tensor.dataType) === "INT8" ? tensor : undefined;
}

function eachPair(
  values: Int8Array,
  { outer, channels, inner }: ChannelLayout,
  see: (one: number, other: number) => void,
): void {
  for (let part = 0; part < outer; part++) {
    for (let row = 0; row < channels; row += 2) {
      const at = (part * channels + row) * inner;
      const hasOther = row + 1 < channels;
      for (let column = 0; column < inner; column++) {
        see(values[at + column]!, hasOther ? values[at + inner + column]! : 0);
      }
    }
  }
}
