import { createNode, createTensor } from "../onnx/create.ts";
import { datatypeCode } from "../onnx/datatypes.ts";
import { halvesOf, LARGEST_HALF, SMALLEST_NORMAL_HALF } from "../onnx/half.ts";
import type { QuantizationPass } from "./pass.ts";
import { reasonTooFew } from "./plan.ts";
import { storeConstants, type Store } from "./store-constants.ts";

/** Bytes in the file of the Cast, names included. */
const NODE_BYTES = 150;

const storeHalf: Store = ({ graph, name, dims, values }) => {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  if (largest > LARGEST_HALF) return { reason: `its largest value ${largest} is beyond half precision` };
  if (largest > 0 && largest < SMALLEST_NORMAL_HALF) {
    return { reason: `its largest value ${largest} is too small for half precision` };
  }
  const tooFew = reasonTooFew(values.length, 2 * values.length - NODE_BYTES);
  if (tooFew !== undefined) return { reason: tooFew.replace("int8", "float16") };
  const halves = graph.addConstant(createTensor(`${name}_half`, "FP16", dims, halvesOf(values)));
  const cast = graph.uniqueName(`${name}_Cast`);
  return {
    nodes: [createNode("Cast", [halves], [name], { to: datatypeCode("FP32") }, { name: cast })],
    as: "float16",
  };
};

/**
 * Half the file at fp32's speed and with nearly its numbers: what computes stays float32, since half precision is slow on a CPU.
 */
export const storeF16: QuantizationPass = {
  name: "store-f16",
  description: "constants stored as 16-bit floats and widened when the model is loaded; computes in fp32",
  options: [],
  source: "original",
  operators: "constant-readers",
  minimumOpset: 9,
  batchInvariant: true,
  isInteger: false,
  calibrated: null,
  rewrite: (model, options) => storeConstants(model, storeHalf, options),
};
