/**
 * Static int8 as `onnxruntime.quantization.quantize_static(quant_format=QDQ, weight_type=QInt8)` does it: names, scales, zero points and
 * weights are its own. Which values are quantized is decided in `static-plan.ts`.
 */
import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain, openGraph, type OpenGraph } from "../onnx/rewrite.ts";
import { joinBiases } from "./join-bias.ts";
import { affineParameters, INT8, quantizeTable, UINT8, type QuantizedTable } from "./linear.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { weightValues, type Plan } from "./plan.ts";
import { actionsInSubgraphs, excludedNodes, nodeNames } from "./report-nodes.ts";
import {
  FOLLOWING_OPERATORS,
  outputOf,
  planStatic,
  TABLE_OPERATOR,
  WEIGHTED_OPERATORS,
  type StaticPlan,
} from "./static-plan.ts";
import { addBias, addWeight, quantizeBias, weightScales } from "./static-weights.ts";

const OPERATORS = [...WEIGHTED_OPERATORS, TABLE_OPERATOR, ...FOLLOWING_OPERATORS];

export const staticInt8: QuantizationPass = {
  name: "static-int8",
  description:
    "weights and activations of MatMul, Gemm, Conv and Gather as 8-bit integers, with ranges learned from data beforehand",
  options: ["perChannel", "reduceRange", "activationType"],
  source: "folded",
  operators: OPERATORS,
  // The first with one scale a channel in DequantizeLinear.
  minimumOpset: 13,
  batchInvariant: true,
  isInteger: true,
  // Also those that have their scale from another now: a layer that goes back to float may take it away.
  calibrated: (model, options) => [...prepare(model, options).plan.scaleOf.keys()],
  rewrite,
};

const INTEGERS = {
  QUInt8: { name: "uint8", datatype: "UINT8", range: UINT8 },
  QInt8: { name: "int8", datatype: "INT8", range: INT8 },
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
  if (plan.weighted.size + plan.tables.size > 0) emit(graph, plan, settings);
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
  return [...actions, ...actionsInSubgraphs(graph, [...WEIGHTED_OPERATORS, TABLE_OPERATOR])];
}

function describe(
  { weighted, tables, followers, made, folded }: StaticPlan,
  node: Node,
  settings: PassSettings,
): string {
  const integer = INTEGERS[settings.activationType].name;
  const table = tables.get(node);
  if (table !== undefined) return `table [${table.weight.dims.join(", ")}] as ${integer}, one scale`;
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
  const { weighted, tables, followers, scaleOf, made, folded } = plan;
  const lookedUp = addTables(graph, plan, activations);
  const quantizers = addQuantizers(graph, plan, { ranges, activations, lookedUp });
  const quantizerOf = (value: string): Quantizer => quantizers.get(scaleOf.get(value)!)!;
  const inputScale = ({ node }: { readonly node: Node }) => quantizerOf(node.inputs[0]!).scale;
  const scales = weightScales([...weighted.values()], inputScale, settings);
  const values = nameValues(graph, plan);
  const nodes: Node[] = [];
  const weights = new Map<string, string>();

  const pair = (value: string): void => {
    const names = values.get(value);
    if (names === undefined) return;
    const { operands } = quantizerOf(value);
    nodes.push(
      createNode("QuantizeLinear", [names.source, ...operands], [names.quantized]),
      createNode("DequantizeLinear", [names.quantized, ...operands], [names.result]),
    );
  };
  const lookUp = (node: Node, { weightName }: Plan): void => {
    const { quantized, result } = values.get(outputOf(node))!;
    nodes.push(
      { ...node, inputs: [lookedUp.get(weightName)!.name, ...node.inputs.slice(1)], outputs: [quantized] },
      createNode("DequantizeLinear", [quantized, ...quantizers.get(weightName)!.operands], [result]),
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
    const table = tables.get(node);
    if (table !== undefined) {
      lookUp(node, table);
      continue;
    }
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

type Activations = (typeof INTEGERS)[keyof typeof INTEGERS];

interface LookedUp extends Pick<QuantizedTable, "scale" | "zeroPoint"> {
  /** Of the integers. */
  readonly name: string;
}

/** Adds the integers of every table. */
function addTables(
  graph: OpenGraph,
  { tables }: StaticPlan,
  { datatype, range }: Activations,
): ReadonlyMap<string, LookedUp> {
  const byName = new Map([...tables.values()].map((plan) => [plan.weightName, plan]));
  return new Map(
    [...byName].map(([weightName, plan]) => {
      const { values, scale, zeroPoint } = quantizeTable(weightValues(plan), range);
      const tensor = createTensor(`${weightName}_quantized`, datatype, plan.weight.dims, values);
      return [weightName, { scale, zeroPoint, name: graph.addConstant(tensor) }];
    }),
  );
}

/** What quantizes a value. */
interface Quantizer {
  readonly scale: number;
  /** The constants QuantizeLinear and DequantizeLinear read behind it. */
  readonly operands: readonly [scale: string, zeroPoint: string];
}

/** Adds scale and zero point of every range: of a table its own, of an activation the one learned. */
function addQuantizers(
  graph: OpenGraph,
  { scaleOf }: StaticPlan,
  {
    ranges,
    activations: { datatype, range: integers },
    lookedUp,
  }: Pick<PassSettings, "ranges"> & {
    readonly activations: Activations;
    readonly lookedUp: ReadonlyMap<string, LookedUp>;
  },
): ReadonlyMap<string, Quantizer> {
  const parametersOf = (value: string) => {
    const range = ranges.get(value);
    if (range === undefined) throw new TypeError(`static-int8 was given no range of "${value}"`);
    return affineParameters(range.low, range.high, integers);
  };
  return new Map(
    [...new Set(scaleOf.values())].map((value) => {
      const { scale, zeroPoint } = lookedUp.get(value) ?? parametersOf(value);
      const constants = [
        createTensor(`${value}_scale`, "FP32", [], Float32Array.of(scale)),
        createTensor(`${value}_zero_point`, datatype, [], integers.array.of(zeroPoint)),
      ] as const;
      return [value, { scale, operands: [graph.addConstant(constants[0]), graph.addConstant(constants[1])] }];
    }),
  );
}

interface ValueNames {
  /** What QuantizeLinear reads. */
  readonly source: string;
  readonly quantized: string;
  /** What DequantizeLinear gives. */
  readonly result: string;
}

/** Names around the QuantizeLinear of every quantized value; what is looked up and an output of the graph keep theirs behind it. */
function nameValues(graph: OpenGraph, { scaleOf, made, tables }: StaticPlan): Map<string, ValueNames> {
  const lookedUp = new Set([...tables.keys()].map(outputOf));
  const names = [...scaleOf.keys()].map((value): [string, ValueNames] => {
    if (lookedUp.has(value))
      return [value, { source: value, quantized: graph.uniqueName(`${value}_quantized`), result: value }];
    const quantized = graph.uniqueName(`${value}_QuantizeLinear_Output`);
    if (made.has(value) && graph.isOutput(value)) {
      return [value, { source: graph.uniqueName(`${value}_QuantizeLinear_Input`), quantized, result: value }];
    }
    return [value, { source: value, quantized, result: graph.uniqueName(`${value}_DequantizeLinear_Output`) }];
  });
  return new Map(names);
}
