import type { InferRequest } from "../protocol/infer-request.ts";
import { writeBinaryData } from "../protocol/binary-data.ts";
import { askedOutputs, type InferResponse } from "../protocol/infer-response.ts";
import { isRawOnly, writeContents } from "./contents.ts";
import type { ModelInferResponse } from "./messages.ts";

/**
 * Writes an infer response for gRPC. One output that travels raw only makes all of them raw: the protocol has no mixture.
 *
 * @param identity goes into the response's parameters as well, for clients that do not see metadata
 * @throws INPUT_INVALID when the request names an output the model does not have
 */
export function writeInferMessage(
  response: InferResponse,
  request: Pick<InferRequest, "outputs" | "binaryByDefault">,
  identity: Readonly<Record<string, string>>,
): ModelInferResponse {
  const asked = askedOutputs(response, request);
  const isRaw = asked.some(({ tensor, binary }) => binary || isRawOnly(tensor.datatype));
  return {
    model_name: response.modelName,
    model_version: response.modelVersion,
    id: response.id,
    parameters: Object.fromEntries(Object.entries(identity).map(([name, text]) => [name, { string_param: text }])),
    outputs: asked.map(({ tensor }) => {
      const { name, datatype, shape } = tensor;
      return isRaw ? { name, datatype, shape } : { name, datatype, shape, contents: writeContents(tensor) };
    }),
    raw_output_contents: isRaw ? asked.map(({ tensor }) => writeBinaryData(tensor)) : [],
  };
}
