import type { Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { bfloat16ToNumber, halfToNumber } from "../onnx/half.ts";

/** Room for the rounding of a softmax or sigmoid in low precision. */
const TOLERANCE = 1e-3;

/**
 * The probability of the positive class, one a row, from a model's outputs.
 * @throws MODEL_SIGNATURE when the output named by the signature is absent, not a float, not one number a row, or holds
 * something that is no probability (NaN, a logit)
 */
export function decodePrediction(signature: ModelSignature, outputs: readonly Tensor[]): Float32Array | Float64Array {
  const { output } = signature.prediction;
  const where = `output "${output}"`;
  const tensor = outputs.find((candidate) => candidate.name === output);
  if (tensor === undefined) {
    const found = outputs.map((candidate) => candidate.name).join(", ") || "no outputs";
    throw new Failure("MODEL_SIGNATURE", { where, found, expected: where });
  }
  const { shape } = tensor;
  if (shape.length < 1 || shape.slice(1).some((size) => size !== 1)) {
    const found = `shape [${shape.join(", ")}]`;
    throw new Failure("MODEL_SIGNATURE", {
      where,
      found,
      expected: "one probability a row, shape [rows] or [rows, 1]",
    });
  }
  const values = floats(tensor, where);
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value >= -TOLERANCE && value <= 1 + TOLERANCE) continue;
    throw new Failure("MODEL_SIGNATURE", {
      where,
      found: `${value} in row ${row}`,
      expected: "probabilities from 0 to 1",
    });
  }
  return values;
}

function floats(tensor: Tensor, where: string): Float32Array | Float64Array {
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) return tensor.data;
  if (tensor.datatype === "FP16" && tensor.data instanceof Uint16Array)
    return Float32Array.from(tensor.data, halfToNumber);
  if (tensor.datatype === "BF16" && tensor.data instanceof Uint16Array)
    return Float32Array.from(tensor.data, bfloat16ToNumber);
  throw new Failure("MODEL_SIGNATURE", { where, found: tensor.datatype, expected: "FP32, FP64, FP16 or BF16" });
}
