import type { Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import { bfloat16ToNumber, halfToNumber } from "../../core/onnx/half.ts";
import { isStrings, writeBinaryData } from "./binary-data.ts";
import { invalid } from "./json-data.ts";
import type { InferRequest } from "./infer-request.ts";

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly outputs: readonly Tensor[];
}

export interface ResponseBody {
  readonly body: Uint8Array | string;
  /** Bytes of JSON in front of the binary data; null when all of it is JSON. */
  readonly headerLength: number | null;
}

/**
 * Writes an infer response: the outputs that were asked for, in that order, as JSON or binary as asked for.
 *
 * @throws INPUT_INVALID when the request names an output the model does not have; INFERENCE_FAILED when an output holds NaN
 *   or infinity and was not asked for as binary, because JSON cannot carry them
 */
export function writeInferResponse(
  response: InferResponse,
  request: Pick<InferRequest, "outputs" | "binaryByDefault">,
): ResponseBody {
  const parts: Uint8Array[] = [];
  const outputs = askedOutputs(response, request).map(({ tensor, binary }) => {
    const { name } = tensor;
    const head = `{"name":${JSON.stringify(name)},"shape":[${tensor.shape.join(",")}],"datatype":"${tensor.datatype}"`;
    if (!binary) return `${head},"data":${writeJsonData(response.modelName, tensor)}}`;
    const bytes = writeBinaryData(tensor);
    parts.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  const identity = `"model_name":${JSON.stringify(response.modelName)},"model_version":${JSON.stringify(response.modelVersion)}`;
  const json = `{${identity},"id":${JSON.stringify(response.id)},"outputs":[${outputs.join(",")}]}`;
  if (parts.length === 0) return { body: json, headerLength: null };
  const header = Buffer.from(json, "utf8");
  return { body: Buffer.concat([header, ...parts]), headerLength: header.length };
}

/**
 * The outputs that were asked for, in that order.
 *
 * @throws INPUT_INVALID when the request names an output the model does not have
 */
export function askedOutputs(
  response: InferResponse,
  request: Pick<InferRequest, "outputs" | "binaryByDefault">,
): readonly { readonly tensor: Tensor; readonly binary: boolean }[] {
  if (!request.outputs) return response.outputs.map((tensor) => ({ tensor, binary: request.binaryByDefault }));
  return request.outputs.map(({ name, binary }) => {
    const tensor = response.outputs.find((output) => output.name === name);
    if (tensor) return { tensor, binary };
    const allowed = response.outputs.map((output) => output.name).join(", ");
    throw invalid("infer request", `output "${name}" is not one of the model's; allowed: ${allowed}`);
  });
}

function writeJsonData(model: string, tensor: Tensor): string {
  const { data } = tensor;
  if (isStrings(data)) return JSON.stringify(data);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return `[${data.join(",")}]`;
  if (tensor.datatype === "BOOL") return `[${Array.from(data, (value) => (value ? "true" : "false")).join(",")}]`;
  const widen = tensor.datatype === "FP16" ? halfToNumber : tensor.datatype === "BF16" ? bfloat16ToNumber : null;
  const numbers = widen ? Array.from(data, (bits) => widen(bits)) : data;
  for (const value of numbers) {
    if (!Number.isFinite(value)) {
      const reason = `output "${tensor.name}" holds ${value}, which JSON cannot carry; ask for binary_data to see it`;
      throw new Failure("INFERENCE_FAILED", { model, reason });
    }
  }
  return `[${numbers.join(",")}]`;
}
