import { createNode, createTensor } from "../onnx/create.ts";
import { datatypeCode } from "../onnx/datatypes.ts";
import type { Node } from "../onnx/model.ts";
import { intAttribute, isDefaultDomain } from "../onnx/rewrite.ts";
import { channelScales, channelsOf, quantizeChannels } from "./linear.ts";
import type { QuantizationPass } from "./pass.ts";
import { reasonTooFew } from "./plan.ts";
import { storeConstants, type Store } from "./store-constants.ts";

/** Bytes in the file of the Cast and the Mul, names included. */
const NODE_BYTES = 350;

const RECURRENT = ["LSTM", "GRU", "RNN"];

/**
 * The axes, from the first up to not including the last, that get a scale each: the outputs of a matrix or filter, the rows of
 * anything else.
 */
function channelAxes({ reader, operand, dims }: Parameters<Store>[0]): readonly [first: number, end: number] {
  const last = dims.length - 1;
  const operator = isDefaultDomain(reader) ? reader.opType : "";
  if (operator === "MatMul" && operand === 1) return [last, last + 1];
  if (operator === "Gemm" && operand === 1) return intAttribute(reader, "transB", 0) === 0 ? [1, 2] : [0, 1];
  if (operator === "Conv") return [0, 1];
  if (operator === "ConvTranspose") return [1, 2];
  return [0, last];
}

const isRecurrentBias = (reader: Node, operand: number) => RECURRENT.includes(reader.opType) && operand > 2;

/** One scale a channel, behind Cast and Mul. */
export const storeInt8Channels: Store = (constant) => {
  const { graph, name, dims, values, reader, operand } = constant;
  if (dims.length < 2 || isRecurrentBias(reader, operand)) {
    return { reason: `${name} [${dims.join(", ")}] is no matrix: a bias or factor is kept exact` };
  }
  const [first, end] = channelAxes(constant);
  const layout = channelsOf(dims, first, end);
  const tooFew = reasonTooFew(values.length, 3 * values.length - 4 * layout.channels - NODE_BYTES);
  if (tooFew !== undefined) return { reason: tooFew };
  const scales = channelScales(values, layout, { reduceRange: false });
  // Shaped so that it is multiplied along the channels, whatever axes follow them.
  const scaleDims = dims.map((dim, axis) => (axis >= first && axis < end ? dim : 1));
  const quantized = quantizeChannels(values, layout, scales);
  const integers = graph.addConstant(createTensor(`${name}_quantized`, "INT8", dims, quantized));
  const scale = graph.addConstant(createTensor(`${name}_scale`, "FP32", scaleDims, scales));
  const floats = graph.uniqueName(`${name}_Cast_output`);
  return {
    nodes: [
      createNode("Cast", [integers], [floats], { to: datatypeCode("FP32") }),
      createNode("Mul", [floats, scale], [name]),
    ],
    as: "int8, one scale a channel",
  };
};

/**
 * A quarter of the file at fp32's speed, for any operator. Not DequantizeLinear, which ONNX Runtime keeps at run time in front of
 * a float MatMul: 16 times slower. It folds Cast and Mul when it loads the model.
 */
export const storeInt8: QuantizationPass = {
  name: "store-int8",
  description:
    "constant matrices stored as 8-bit integers and multiplied out when the model is loaded; computes in fp32",
  options: [],
  source: "original",
  operators: "constant-readers",
  minimumOpset: 9,
  batchInvariant: true,
  isInteger: false,
  calibrated: null,
  rewrite: (model, options) => storeConstants(model, storeInt8Channels, options),
};
