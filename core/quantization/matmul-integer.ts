import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import { datatypeCode } from "../onnx/datatypes.ts";
import type { Node } from "../onnx/model.ts";
import type { OpenGraph } from "../onnx/rewrite.ts";
import { weightValues, type Plan } from "./plan.ts";
import { channelScales, channelsOf, quantizeChannels, scaleLayout, transposeInner } from "./linear.ts";

interface QuantizedWeight {
  readonly quantized: string;
  readonly scale: string;
}

interface QuantizedActivation extends QuantizedWeight {
  readonly zeroPoint: string;
}

/**
 * Replaces MatMul and Gemm by DynamicQuantizeLinear, MatMulInteger, Cast, two Muls and, for a Gemm with bias, Add: the
 * pattern ONNX Runtime fuses into one kernel. A weight is quantized once and an activation is quantized once, however many
 * nodes read them. The weights' zero points are 0 and left out, and so are the names of the nodes beside the product: they
 * took as many bytes as the scales. Values are named as ONNX Runtime's quantizer names them, so that its debugging tools find them.
 *
 * @returns a function that rewrites one node and says what became of its weights
 */
export function createMatMulRewrite(graph: OpenGraph, options: WeightOptions): (plan: Plan) => string {
  const weights = new Map<string, QuantizedWeight>();
  const activations = new Map<string, QuantizedActivation>();

  return (plan) => {
    const { node, weight, weightName } = plan;
    const weightNames = weights.get(weightName) ?? addWeight(graph, plan, options);
    weights.set(weightName, weightNames);

    const input = node.inputs[0]!;
    const known = activations.get(input);
    const activation = known ?? nameActivation(graph, input);
    activations.set(input, activation);

    const [replaced, output] = [node.name || node.outputs[0]!, node.outputs[0]!];
    const bias = node.opType === "Gemm" ? (node.inputs[2] ?? "") : "";
    const name = node.opType === "Gemm" ? `${replaced}_MatMul` : replaced;
    const product = bias === "" ? output : graph.uniqueName(`${output}_MatMul`);
    const integers = graph.uniqueName(`${product}_output_quantized`);
    const cast = graph.uniqueName(`${integers}_cast_output`);
    const scales = graph.uniqueName(`${name}_quant_scales_mul:0`);
    graph.replace(node, [
      ...(known === undefined ? [quantizeActivation(input, activation)] : []),
      createNode(
        "MatMulInteger",
        [activation.quantized, weightNames.quantized, activation.zeroPoint],
        [integers],
        {},
        { name: graph.uniqueName(`${name}_quant`) },
      ),
      createNode("Cast", [integers], [cast], { to: datatypeCode("FP32") }),
      createNode("Mul", [activation.scale, weightNames.scale], [scales]),
      createNode("Mul", [cast, scales], [product]),
      ...(bias === "" ? [] : [createNode("Add", [product, bias], [output])]),
    ]);
    return `weights [${weight.dims.join(", ")}] as int8, one scale ${options.perChannel ? "a column" : "for all"}`;
  };
}

type WeightOptions = Pick<QuantizationOptions, "perChannel" | "reduceRange">;

function addWeight(graph: OpenGraph, plan: Plan, options: WeightOptions): QuantizedWeight {
  const { weightName, weight, form } = plan;
  const values = weightValues(plan);
  const isTransposed = form === "transposed-columns";
  const [first, second] = [weight.dims[0]!, weight.dims[1]!];
  const axis = isTransposed ? 0 : 1;
  const layout = scaleLayout(channelsOf(weight.dims, axis, axis + 1), options);
  const scales = channelScales(values, layout, options);
  const quantized = quantizeChannels(values, layout, scales);
  const dims = isTransposed ? [second, first] : [first, second];
  const integers = isTransposed ? transposeInner(quantized, 1, first, second) : quantized;
  const count = options.perChannel ? [scales.length] : [];
  return {
    quantized: graph.addConstant(createTensor(`${weightName}_quantized`, "INT8", dims, integers)),
    scale: graph.addConstant(createTensor(`${weightName}_scale`, "FP32", count, scales)),
  };
}

function nameActivation(graph: OpenGraph, input: string): QuantizedActivation {
  return {
    quantized: graph.uniqueName(`${input}_quantized`),
    scale: graph.uniqueName(`${input}_scale`),
    zeroPoint: graph.uniqueName(`${input}_zero_point`),
  };
}

function quantizeActivation(input: string, names: QuantizedActivation): Node {
  const outputs = [names.quantized, names.scale, names.zeroPoint];
  return createNode("DynamicQuantizeLinear", [input], outputs);
}
