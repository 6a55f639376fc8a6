import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import type { Node, Tensor } from "../onnx/model.ts";
import { intAttribute, type OpenGraph } from "../onnx/rewrite.ts";
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

/** Replaces an LSTM by ONNX Runtime's DynamicQuantizeLSTM, which quantizes input and state step by step. */
export function rewriteLstm(
  graph: OpenGraph,
  { node, weights }: LstmPlan,
  options: Pick<QuantizationOptions, "perChannel" | "reduceRange">,
): string {
  const added = weights.map(({ name, weight }) => {
    const [directions = 0, gates = 0, inputs = 0] = weight.dims;
    const layout = channelsOf(weight.dims, 0, options.perChannel ? 2 : 1);
    const values = weightValues({ weight });
    const scales = channelScales(values, layout, options);
    const integers = transposeInner(quantizeChannels(values, layout, scales), directions, gates, inputs);
    const count = options.perChannel ? [directions, gates] : [directions];
    return {
      quantized: graph.addConstant(createTensor(`${name}_quantized`, "INT8", [directions, inputs, gates], integers)),
      parameters: [
        graph.addConstant(createTensor(`${name}_scale`, "FP32", count, scales)),
        graph.addConstant(createTensor(`${name}_zero_point`, "INT8", count, new Int8Array(scales.length))),
      ],
    };
  });
  const others = Array.from({ length: 5 }, (_, index) => node.inputs[index + 3] ?? "");
  const inputs = [node.inputs[0] ?? "", ...added.map(({ quantized }) => quantized), ...others];
  const name = graph.uniqueName(`${node.name || node.outputs.find(Boolean)}_quant`);
  const naming = { name, domain: graph.importDomain("com.microsoft", 1) };
  const made = createNode(
    "DynamicQuantizeLSTM",
    [...inputs, ...added.flatMap(({ parameters }) => parameters)],
    node.outputs,
    {},
    naming,
  );
  graph.replace(node, [{ ...made, attributes: node.attributes.filter((attribute) => attribute.name !== "layout") }]);
  const shapes = weights.map(({ weight: { dims } }) => `[${dims.join(", ")}]`).join(" and ");
  return `weights ${shapes} as int8, one scale a ${options.perChannel ? "row" : "direction"}`;
}
