import { elementCount } from "../protocol/datatypes.ts";
import { MAXIMUM_INPUTS, type InferRequest, type RequestInput } from "../protocol/infer-request.ts";
import { invalid } from "../protocol/json-data.ts";
import type { Json } from "../protocol/lossless-json.ts";
import {
  readContentType,
  readDatatype,
  readId,
  readName,
  readRoutingKey,
  readShape,
  readTimeout,
  WHERE,
} from "../protocol/request-fields.ts";
import { readContents } from "./contents.ts";
import type { InferInputTensor, InferParameter, ModelInferRequest } from "./messages.ts";

/**
 * Reads an infer request that came over gRPC. The answer takes the form of the question: raw for raw, typed for typed.
 *
 * @throws INPUT_INVALID for everything a client can get wrong
 */
export function readInferRequest(message: ModelInferRequest): InferRequest {
  const { inputs, outputs, raw_input_contents: raw } = message;
  if (inputs.length === 0 || inputs.length > MAXIMUM_INPUTS || outputs.length > MAXIMUM_INPUTS) {
    throw invalid(WHERE, `${inputs.length} inputs and ${outputs.length} outputs, allowed: 1 to ${MAXIMUM_INPUTS}`);
  }
  const isRaw = raw.length > 0;
  if (isRaw && raw.length !== inputs.length) {
    throw invalid(WHERE, `${raw.length} raw_input_contents for ${inputs.length} inputs, allowed: one each, or none`);
  }
  const names = new Set<string>();
  const parameter = (name: string) => readParameter(message.parameters[name]);
  return {
    id: readId(message.id),
    inputs: inputs.map((input, index) => {
      if (names.has(input.name)) throw invalid(WHERE, `input "${input.name}" is there twice`);
      names.add(input.name);
      return readInput(input, index, raw[index]);
    }),
    outputs: outputs.length === 0 ? null : outputs.map((output, index) => readOutput(output, index, isRaw)),
    binaryByDefault: isRaw,
    contentType: readContentType(parameter("content_type")),
    routingKey: readRoutingKey(parameter("routing_key")),
    timeoutMs: readTimeout(parameter("timeout")),
  };
}

function readInput(input: InferInputTensor, index: number, raw: Uint8Array | undefined): RequestInput {
  const where = `inputs[${index}]`;
  const name = readName(input.name, where);
  const datatype = readDatatype(input.datatype, where);
  const shape = readShape(input.shape.map(Number), where);
  const count = elementCount(shape);
  if (count === null) throw invalid(where, `the shape [${shape.join(",")}] is larger than any message`);
  if (input.parameters["shared_memory_region"]) throw invalid(where, "shared memory is not offered; send the data");
  const tensor = { name, datatype, shape, elementCount: count };
  if (raw === undefined) {
    const data = readContents(`input "${name}"`, datatype, input.contents, count);
    return { payload: { kind: "values", data }, ...tensor };
  }
  if (input.contents) throw invalid(where, `input "${name}" has both contents and raw_input_contents`);
  return { payload: { kind: "binary", bytes: raw }, ...tensor };
}

function readOutput({ name, parameters }: ModelInferRequest["outputs"][number], index: number, binary: boolean) {
  const where = `outputs[${index}]`;
  for (const refused of ["classification", "shared_memory_region"]) {
    if (parameters[refused]) throw invalid(where, `${refused} is not offered; ask for the tensor`);
  }
  return { name: readName(name, where), binary };
}

function readParameter(found: InferParameter | undefined): Json | undefined {
  if (!found) return undefined;
  const { bool_param, int64_param, string_param, double_param, uint64_param } = found;
  const integer = int64_param ?? uint64_param;
  return bool_param ?? string_param ?? double_param ?? (integer === undefined ? undefined : BigInt(integer));
}
