import { datatypeOf } from "../onnx/datatypes.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { intAttribute, isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { tensorValues } from "../onnx/tensor.ts";
import { transposeInner } from "./linear.ts";

/** Products of 8-bit weights and activations, each summed over `depth`, in the order the kernels add them. */
export interface IntegerProducts {
  readonly layer: string;
  /** The value whose elements are multiplied: 8-bit integers, or floats that the kernel quantizes by itself. */
  readonly activation: string;
  /** One row of `depth` weights an output. */
  readonly weights: Int8Array;
  readonly depth: number;
  /** Where in the activation, of this shape, the factors of one sum are: from each base, at each of `depth` offsets. */
  readonly locate: (shape: readonly number[]) => { readonly bases: Int32Array; readonly offsets: Int32Array };
}

/** Every layer of a quantized model that is computed in integers; one with groups or directions counts once for each. */
export function integerProducts(model: OnnxModel): IntegerProducts[] {
  const graph = openGraph(model);
  return graph.graph.nodes.flatMap((node) => {
    if (node.opType === "DynamicQuantizeLSTM") return ofLstm(graph, node);
    if (!isDefaultDomain(node)) return [];
    if (node.opType === "Conv") return ofConv(graph, node);
    return ["MatMulInteger", "MatMul", "Gemm"].includes(node.opType) ? ofMatrix(graph, node) : [];
  });
}

const layerName = (node: Node): string => node.name || node.outputs.find(Boolean) || node.opType;

function ofMatrix(graph: OpenGraph, node: Node): IntegerProducts[] {
  const [input = "", weight = ""] = node.inputs;
  const found = integersBehind(graph, weight);
  if (found === undefined || found.dims.length !== 2) return [];
  const [first = 0, second = 0] = found.dims;
  const isTransposed = node.opType === "Gemm" && intAttribute(node, "transB", 0) !== 0;
  const [depth, weights] = isTransposed
    ? [second, found.values]
    : [first, transposeInner(found.values, 1, first, second)];
  const activation = quantizedBehind(graph, input);
  return [{ layer: layerName(node), activation, weights, depth, locate: (shape) => rowsOf(shape, depth, () => true) }];
}

function ofConv(graph: OpenGraph, node: Node): IntegerProducts[] {
  const [input = "", weight = ""] = node.inputs;
  const found = integersBehind(graph, weight);
  if (found === undefined) return [];
  const [outputs = 0, channels = 0, ...kernel] = found.dims;
  const groups = intAttribute(node, "group", 1);
  const given = node.attributes.find(({ name }) => name === "dilations")?.ints ?? [];
  const dilations = kernel.map((_, axis) => Number(given[axis] ?? 1));
  const taps = kernel.reduce((product, size) => product * size, 1);
  // The kernels add tap by tap, and within a tap channel by channel.
  const ordered = transposeInner(found.values, outputs, channels, taps);
  const size = ordered.length / groups;
  return Array.from({ length: groups }, (_, group) => ({
    layer: layerName(node),
    activation: quantizedBehind(graph, input),
    weights: ordered.subarray(group * size, (group + 1) * size),
    depth: channels * taps,
    locate: (shape) => patchesOf(shape, { channels, kernel, dilations, group }),
  }));
}

/** The state is what it gives; it is multiplied a step later. */
function ofLstm(graph: OpenGraph, node: Node): IntegerProducts[] {
  const [input = "", weight = "", recurrent = ""] = node.inputs;
  const state = node.outputs.find(Boolean) ?? "";
  return [[input, weight, false] as const, [state, recurrent, true] as const].flatMap(([activation, name, isState]) => {
    const found = integersBehind(graph, name);
    if (found === undefined) return [];
    const [directions = 0, depth = 0, gates = 0] = found.dims;
    const ordered = transposeInner(found.values, directions, depth, gates);
    return Array.from({ length: directions }, (_, direction) => ({
      layer: layerName(node),
      activation,
      weights: ordered.subarray(direction * gates * depth, (direction + 1) * gates * depth),
      depth,
      locate: (shape: readonly number[]) =>
        rowsOf(shape, depth, (row) => !isState || Math.floor(row / (shape.at(-2) ?? 1)) % directions === direction),
    }));
  });
}

/** The int8 constant a node reads, itself or through DequantizeLinear. */
function integersBehind(graph: OpenGraph, name: string) {
  const tensor = graph.constant(dequantizerOf(graph, name)?.inputs[0] ?? name);
  if (tensor === undefined || datatypeOf(tensor.dataType) !== "INT8") return undefined;
  return { dims: tensor.dims, values: tensorValues(tensor) as Int8Array };
}

const quantizedBehind = (graph: OpenGraph, name: string): string => dequantizerOf(graph, name)?.inputs[0] ?? name;

const dequantizerOf = (graph: OpenGraph, name: string): Node | undefined =>
  graph.graph.nodes.find((node) => node.opType === "DequantizeLinear" && node.outputs[0] === name);

function rowsOf(shape: readonly number[], depth: number, isMeant: (row: number) => boolean) {
  const count = depth === 0 ? 0 : shape.reduce((product, size) => product * size, 1) / depth;
  const rows = Array.from({ length: count }, (_, row) => row).filter(isMeant);
  return {
    bases: Int32Array.from(rows, (row) => row * depth),
    offsets: Int32Array.from({ length: depth }, (_, k) => k),
  };
}

interface Window {
  readonly channels: number;
  readonly kernel: readonly number[];
  readonly dilations: readonly number[];
  readonly group: number;
}

/** Every place of a filter that lies wholly inside: the borders, where padding takes part, are few. */
function patchesOf([batch = 0, all = 0, ...sizes]: readonly number[], { channels, kernel, dilations, group }: Window) {
  const steps = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((product, size) => product * size, 1));
  const area = sizes.reduce((product, size) => product * size, 1);
  const places = (counts: readonly number[], stride: (axis: number) => number): number[] =>
    counts.reduce<number[]>(
      (found, count, axis) =>
        found.flatMap((base) => Array.from({ length: Math.max(0, count) }, (_, at) => base + at * stride(axis))),
      [0],
    );
  const taps = places(kernel, (axis) => dilations[axis]! * steps[axis]!);
  const inside = places(
    sizes.map((size, axis) => size - (kernel[axis]! - 1) * dilations[axis]!),
    (axis) => steps[axis]!,
  );
  const offsets = taps.flatMap((tap) => Array.from({ length: channels }, (_, channel) => tap + channel * area));
  const starts = Array.from({ length: batch }, (_, row) => (row * all + group * channels) * area);
  return {
    bases: Int32Array.from(starts.flatMap((start) => inside.map((place) => start + place))),
    offsets: Int32Array.from(offsets),
  };
}
