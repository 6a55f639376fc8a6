import type { TensorInput } from "../../contracts/signature.ts";
import { NUMERIC_DATATYPES } from "./datatypes.ts";
import type { InferRequest } from "./infer-request.ts";
import { invalid } from "./json-data.ts";

/**
 * The raw form of the binary extension, `Inference-Header-Content-Length: 0`: the body is the data of the model's only input.
 * Its one open axis follows from the number of bytes; a BYTES input takes the body as one element.
 *
 * @throws INPUT_INVALID for a model with several inputs, or a number of bytes that fills no whole shape
 */
export function createRawRequest(inputs: readonly TensorInput[], body: Uint8Array): InferRequest {
  const [input] = inputs;
  if (!input || inputs.length !== 1) {
    throw invalid("infer request", `a raw body needs a model with one input, this one has ${inputs.length}`);
  }
  const bytes = input.datatype === "BYTES" ? withLength(body) : body;
  const count = input.datatype === "BYTES" ? 1 : body.length / NUMERIC_DATATYPES[input.datatype].elementBytes;
  const known = input.shape.filter((size) => size !== -1).reduce((product, size) => product * size, 1);
  const openAxes = input.shape.filter((size) => size === -1).length;
  const open = openAxes === 0 ? 1 : count / known;
  if (openAxes > 1 || !Number.isInteger(open) || (openAxes === 0 && count !== known)) {
    throw invalid(
      "infer request",
      `a raw body of ${body.length} bytes does not fill the shape [${input.shape.join(",")}]`,
    );
  }
  const shape = input.shape.map((size) => (size === -1 ? open : size));
  const { name, datatype } = input;
  return {
    id: null,
    inputs: [{ name, datatype, shape, elementCount: count, payload: { kind: "binary", bytes } }],
    outputs: null,
    binaryByDefault: true,
    contentType: "tensors",
    routingKey: null,
    timeoutMs: null,
  };
}

function withLength(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 4);
  new DataView(bytes.buffer).setUint32(0, body.length, true);
  bytes.set(body, 4);
  return bytes;
}
