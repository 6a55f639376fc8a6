import type { QuantizationOptions } from "../../contracts/optimization.ts";
import { createNode, createTensor } from "../onnx/create.ts";
import { datatypeCode } from "../onnx/datatypes.ts";
import type { Node } from "../onnx/model.ts";
import type { OpenGraph } from "../onnx/rewrite.ts";
import type { Plan } from "./plan.ts";
import { channelScales, channelsOf, quantizeChannels, scaleLayout, transposeInner } from "./linear.ts";

interface QuantizedNames {
  readonly quantized: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

/**
 * Replaces MatMul and Gemm by DynamicQuantizeLinear, MatMulInteger, Cast, two Muls and, for a Gemm with bias, Add: the
 * pattern ONNX Runtime fuses into one kernel. A weight is quantized once and an activation is quantized once, however many
 * nodes read them. Names follow ONNX Runtime's quantizer, so that its debugging tools find them.
 *
 * @returns a function that rewrites one node and says what became of its weights
 */
export function createMatMulRewrite(graph: OpenGraph, options: WeightOptions): (plan: Plan) => string {
  const weights = new Map<string, QuantizedNames>();
  const activations = new Map<string, QuantizedNames>();

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
    const unique = (wanted: string) => ({ name: graph.uniqueName(wanted) });
    graph.replace(node, [
      ...(known === undefined ? [quantizeActivation(graph, input, activation)] : []),
      createNode(
        "MatMulInteger",
        [activation.quantized, weightNames.quantized, activation.zeroPoint, weightNames.zeroPoint],
        [integers],
        {},
        unique(`${name}_quant`),
      ),
      createNode("Cast", [integers], [cast], { to: datatypeCode("FP32") }, unique(`${integers}_cast`)),
      createNode("Mul", [activation.scale, weightNames.scale], [scales], {}, unique(`${name}_quant_scales_mul`)),
      createNode("Mul", [cast, scales], [product], {}, unique(`${name}_quant_output_scale_mul`)),
      ...(bias === "" ? [] : [createNode("Add", [product, bias], [output], {}, unique(`${replaced}_Add`))]),
    ]);
    return `weights [${weight.dims.join(", ")}] as int8, one scale ${options.perChannel ? "a column" : "for all"}`;
  };
}

type WeightOptions = Pick<QuantizationOptions, "perChannel" | "reduceRange">;

function addWeight(
  graph: OpenGraph,
  { weightName, weight, values, form }: Plan,
  options: WeightOptions,
): QuantizedNames {
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
    zeroPoint: graph.addConstant(createTensor(`${weightName}_zero_point`, "INT8", count, new Int8Array(scales.length))),
  };
}

function nameActivation(graph: OpenGraph, input: string): QuantizedNames {
  return {
    quantized: graph.uniqueName(`${input}_quantized`),
    scale: graph.uniqueName(`${input}_scale`),
    zeroPoint: graph.uniqueName(`${input}_zero_point`),
  };
}

function quantizeActivation(graph: OpenGraph, input: string, names: QuantizedNames): Node {
  const outputs = [names.quantized, names.scale, names.zeroPoint];
  const name = graph.uniqueName(`${input}_QuantizeLinear`);
  return createNode("DynamicQuantizeLinear", [input], outputs, {}, { name });
}
