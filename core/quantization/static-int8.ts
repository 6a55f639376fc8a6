/**
 * Static int8 as `onnxruntime.quantization.quantize_static(quant_format=QDQ, weight_type=QInt8)` does it: names, scales, zero points and
 * weights are its own. Which values are quantized is decided in `static-plan.ts`.
 */
import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { joinBiases } from "./join-bias.ts";
import { affineParameters, INT8, UINT8 } from "./linear.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { actionsInSubgraphs, excludedNodes, nodeNames } from "./report-nodes.ts";
import { FOLLOWING_OPERATORS, outputOf, planStatic, WEIGHTED_OPERATORS, type StaticPlan } from "./static-plan.ts";
import { addBias, addWeight, quantizeBias, weightScales } from "./static-weights.ts";

const OPERATORS = [...WEIGHTED_OPERATORS, ...FOLLOWING_OPERATORS];

export const staticInt8: QuantizationPass = {
  name: "static-int8",
  description:
    "weights and activations of MatMul, Gemm and Conv as 8-bit integers, with ranges learned from data beforehand",
  options: ["perChannel", "reduceRange", "activationType"],
  source: "folded",
  operators: OPERATORS,
  // The first with one scale a channel in DequantizeLinear.
  minimumOpset: 13,
  batchInvariant: true,
  isInteger: true,
  calibrated: (model, options) => [...new Set(prepare(model, options).plan.scaleOf.values())],
  rewrite,
};

const INTEGERS = {
  QUInt8: { name: "uint8", datatype: "UINT8", range: UINT8, array: Uint8Array },
  QInt8: { name: "int8", datatype: "INT8", range: INT8, array: Int8Array },
} as const;

/** The graph as it is quantized, with every MatMul and the bias added to it made one Gemm, and the plan for it. */
function prepare(model: OnnxModel, options: QuantizationOptions) {
  const graph = openGraph(model);
  const originals = [...graph.graph.nodes];
  const excluded = excludedNodes(originals, options.nodesToExclude);
  const joined = joinBiases(graph);
  const plan = planStatic(
    graph,
    [...excluded].map((node) => joined.get(node) ?? node),
    options,
  );
  return { graph, originals, joined, plan };
}

function rewrite(model: OnnxModel, settings: PassSettings): NodeAction[] {
  const untouched = model.graph && { ...model.graph };
  const { graph, originals, joined, plan } = prepare(model, settings);
  const names = nodeNames(originals);
  const looked = originals.filter((node) => isDefaultDomain(node) && OPERATORS.includes(node.opType));
  if (plan.weighted.size > 0) emit(graph, plan, settings);
  else model.graph = untouched!;
  const actions = looked.map((node): NodeAction => {
    const about = { name: names.get(node)!, operator: node.opType };
    const gemm = joined.get(node);
    const left = plan.reasons.get(gemm ?? node);
    if (left !== undefined) return { ...about, action: "left", reason: left };
    if (gemm !== undefined && node.opType === "Add")
      return { ...about, action: "quantized", reason: "as the bias of the MatMul before it" };
    return { ...about, action: "quantized", reason: describe(plan, gemm ?? node, settings) };
  });
  return [...actions, ...actionsInSubgraphs(graph, WEIGHTED_OPERATORS)];
}

function describe({ weighted, followers, made, folded }: StaticPlan, node: Node, settings: PassSettings): string {
  const integer = INTEGERS[settings.activationType].name;
  const plan = weighted.get(node);
  if (plan !== undefined) {
    const bias = plan.bias === null ? "" : ", bias as int32";
    const output = made.has(folded.get(outputOf(node)) ?? outputOf(node)) ? integer : "float";
    const whole = `weights [${plan.weight.dims.join(", ")}] as int8, one scale ${settings.perChannel ? "a channel" : "for all"}${bias}`;
    return plan.form === "filters" ? whole : `${whole}, output in ${output}`;
  }
  const role = followers.get(node);
  if (role === "folded") return "done by quantizing to the range it leaves";
  return role === "shared" && !folded.has(outputOf(node))
    ? `works on ${integer}, with the scale of its input`
    : `works on ${integer}, its output has a range of its own`;
}

/** Builds the nodes anew, in order: each weight before its first reader, each QuantizeLinear after the value it reads. */
function emit(graph: OpenGraph, plan: StaticPlan, settings: PassSettings): void {
  const { ranges, perChannel } = settings;
  const activations = INTEGERS[settings.activationType];
  const { weighted, followers, scaleOf, made, folded } = plan;
  const parameters = new Map(
    [...new Set(scaleOf.values())].map((value) => {
      const range = ranges.get(value);
      if (range === undefined) throw new TypeError(`static-int8 was given no range of "${value}"`);
      return [value, affineParameters(range.low, range.high, activations.range)] as const;
    }),
  );
  const inputScale = ({ node }: { readonly node: Node }) => parameters.get(scaleOf.get(node.inputs[0]!)!)!.scale;
  const scales = weightScales([...weighted.values()], inputScale, settings);
  const constants = new Map(
    [...parameters].map(([value, { scale, zeroPoint }]) => [
      value,
      [
        graph.addConstant(createTensor(`${value}_scale`, "FP32", [], Float32Array.of(scale))),
        graph.addConstant(
          createTensor(`${value}_zero_point`, activations.datatype, [], activations.array.of(zeroPoint)),
        ),
      ] as const,
    ]),
  );
  const values = nameValues(graph, plan);
  const nodes: Node[] = [];
  const weights = new Map<string, string>();

  const pair = (value: string): void => {
    const names = values.get(value);
    if (names === undefined) return;
    const quantizer = constants.get(scaleOf.get(value)!)!;
    const named = (suffix: string) => ({ name: graph.uniqueName(`${value}_${suffix}`) });
    nodes.push(
      createNode("QuantizeLinear", [names.source, ...quantizer], [names.quantized], {}, named("QuantizeLinear")),
      createNode("DequantizeLinear", [names.quantized, ...quantizer], [names.result], {}, named("DequantizeLinear")),
    );
  };
  /** The inputs of a weighted node; its weight and bias are added when they are first needed. */
  const operands = (node: Node): string[] => {
    const planned = weighted.get(node)!;
    const { weightName, bias } = planned;
    const channelScale = scales.get(weightName)!;
    const push = (dequantize: Node) => {
      nodes.push(dequantize);
      return outputOf(dequantize);
    };
    const weight = weights.get(weightName) ?? push(addWeight(graph, planned, { scales: channelScale, perChannel }));
    weights.set(weightName, weight);
    const input = values.get(node.inputs[0]!)!.result;
    if (bias === null) return [input, weight];
    const quantized = quantizeBias(bias.values, inputScale(planned), channelScale);
    return [input, weight, push(addBias(graph, bias.name, quantized))];
  };
  for (const { name } of [
    ...graph.graph.inputs,
    ...graph.graph.sparseInitializers.flatMap(({ values }) => values ?? []),
  ]) {
    pair(name);
  }
  for (const node of graph.graph.nodes) {
    if (followers.get(node) === "folded") continue;
    // A value quantized for its weighted readers alone stays as it is for the others.
    const inputs = weighted.has(node)
      ? operands(node)
      : node.inputs.map((input) => (made.has(input) ? values.get(input)!.result : input));
    const outputs = node.outputs.map((output) => folded.get(output) ?? output);
    nodes.push({
      ...node,
      inputs,
      outputs: outputs.map((output) => (made.has(output) ? values.get(output)!.source : output)),
    });
    for (const output of outputs) pair(output);
  }
  graph.graph.nodes = nodes;
  graph.graph.valueInfos = graph.graph.valueInfos.filter(({ name }) => !folded.has(name));
  graph.removeUnused();
}

interface ValueNames {
  /** What QuantizeLinear reads. */
  readonly source: string;
  readonly quantized: string;
  /** What DequantizeLinear gives. */
  readonly result: string;
}

/** Names around the QuantizeLinear of every quantized value; an output of the graph keeps its name behind it. */
function nameValues(graph: OpenGraph, { scaleOf, made }: StaticPlan): Map<string, ValueNames> {
  const names = [...scaleOf.keys()].map((value): [string, ValueNames] => {
    const quantized = graph.uniqueName(`${value}_QuantizeLinear_Output`);
    if (made.has(value) && graph.isOutput(value)) {
      return [value, { source: graph.uniqueName(`${value}_QuantizeLinear_Input`), quantized, result: value }];
    }
    return [value, { source: value, quantized, result: graph.uniqueName(`${value}_DequantizeLinear_Output`) }];
  });
  return new Map(names);
}
