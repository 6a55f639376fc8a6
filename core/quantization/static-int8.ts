/**
 * Static int8 as `onnxruntime.quantization.quantize_static(quant_format=QDQ, per_channel=True, activation_type=QUInt8,
 * weight_type=QInt8)` does it: names, scales, zero points and weights are its own. Which values are quantized is decided in
 * `static-plan.ts`.
 */
import { createNode, createTensor } from "../onnx/create.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { affineParameters } from "./linear.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { actionsInSubgraphs, nodeNames } from "./report-nodes.ts";
import { FOLLOWING_OPERATORS, outputOf, planStatic, WEIGHTED_OPERATORS, type StaticPlan } from "./static-plan.ts";
import { addBias, addWeight, quantizeBias, weightScales } from "./static-weights.ts";

const OPERATORS = [...WEIGHTED_OPERATORS, ...FOLLOWING_OPERATORS];

export const staticInt8: QuantizationPass = {
  name: "static-int8",
  description:
    "weights and activations of MatMul, Gemm and Conv as 8-bit integers, with ranges learned from data beforehand",
  operators: OPERATORS,
  // The first with one scale a channel in DequantizeLinear.
  minimumOpset: 13,
  batchInvariant: true,
  calibrated: (model) => [...new Set(planStatic(openGraph(model)).scaleOf.values())],
  rewrite,
};

function rewrite(model: OnnxModel, settings: PassSettings): NodeAction[] {
  const graph = openGraph(model);
  const plan = planStatic(graph);
  const names = nodeNames(graph.graph.nodes);
  const looked = graph.graph.nodes.filter((node) => isDefaultDomain(node) && OPERATORS.includes(node.opType));
  if (plan.weighted.size > 0) emit(graph, plan, settings);
  const actions = looked.map((node): NodeAction => {
    const about = { name: names.get(node)!, operator: node.opType };
    const left = plan.reasons.get(node);
    if (left !== undefined) return { ...about, action: "left", reason: left };
    return { ...about, action: "quantized", reason: describe(plan, node) };
  });
  return [...actions, ...actionsInSubgraphs(graph, WEIGHTED_OPERATORS)];
}

function describe({ weighted, followers, made, folded }: StaticPlan, node: Node): string {
  const plan = weighted.get(node);
  if (plan !== undefined) {
    const bias = plan.bias === null ? "" : ", bias as int32";
    const output = made.has(folded.get(outputOf(node)) ?? outputOf(node)) ? "uint8" : "float";
    const whole = `weights [${plan.weight.dims.join(", ")}] as int8, one scale a channel${bias}`;
    return node.opType === "Conv" ? whole : `${whole}, output in ${output}`;
  }
  const role = followers.get(node);
  if (role === "folded") return "done by quantizing to the range it leaves";
  return role === "shared" && !folded.has(outputOf(node))
    ? "works on uint8, with the scale of its input"
    : "works on uint8, its output has a range of its own";
}

/** Builds the nodes anew, in order: each weight before its first reader, each QuantizeLinear after the value it reads. */
function emit(graph: OpenGraph, plan: StaticPlan, { ranges, reduceRange }: PassSettings): void {
  const { weighted, followers, scaleOf, made, folded } = plan;
  const parameters = new Map(
    [...new Set(scaleOf.values())].map((value) => {
      const range = ranges.get(value);
      if (range === undefined) throw new TypeError(`static-int8 was given no range of "${value}"`);
      return [value, affineParameters(range.low, range.high)] as const;
    }),
  );
  const inputScale = ({ node }: { readonly node: Node }) => parameters.get(scaleOf.get(node.inputs[0]!)!)!.scale;
  const scales = weightScales([...weighted.values()], inputScale, { reduceRange });
  const constants = new Map(
    [...parameters].map(([value, { scale, zeroPoint }]) => [
      value,
      [
        graph.addConstant(createTensor(`${value}_scale`, "FP32", [], Float32Array.of(scale))),
        graph.addConstant(createTensor(`${value}_zero_point`, "UINT8", [], Uint8Array.of(zeroPoint))),
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
    const weight = weights.get(weightName) ?? push(addWeight(graph, planned, channelScale));
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
