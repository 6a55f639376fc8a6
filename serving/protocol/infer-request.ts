import { TENSOR_DATATYPES, type TensorDatatype } from "../../contracts/signature.ts";
import { elementCount } from "./datatypes.ts";
import { invalid, kindOf } from "./json-data.ts";
import { parseLosslessJson, type Json } from "./lossless-json.ts";

/** One input of a request, its data still as it came: what the data means depends on the model. */
export interface RequestInput {
  readonly name: string;
  readonly datatype: TensorDatatype;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly payload:
    | { readonly kind: "json"; readonly data: Json }
    | { readonly kind: "binary"; readonly bytes: Uint8Array };
}

interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
}

export interface InferRequest {
  /** As the client sent it; null without one. */
  readonly id: string | null;
  readonly inputs: readonly RequestInput[];
  /** Null asks for all outputs. */
  readonly outputs: readonly RequestedOutput[] | null;
  /** What `outputs: null` means: `binary_data_output` of the request. */
  readonly binaryByDefault: boolean;
  /** `parameters.content_type` where it names a way to read the inputs. */
  readonly contentType: "columns" | "tensors" | null;
  readonly routingKey: string | null;
}

const WHERE = "infer request";
const MAXIMUM_RANK = 32;
const MAXIMUM_INPUTS = 10_000;
/** The log takes 200, and a row's number may follow. */
const MAXIMUM_ID_LENGTH = 180;
/** Ids travel in headers and name rows of the prediction log. */
const HEADER_SAFE = /^[\x20-\x7e]*$/;

/**
 * Reads an infer request of the Open Inference Protocol, v2, with the binary tensor extension.
 *
 * @param body the decompressed body
 * @param headerLength `Inference-Header-Content-Length`: bytes of JSON before the binary data; null: all of it is JSON
 * @throws INPUT_INVALID for everything a client can get wrong
 */
export function parseInferRequest(body: Uint8Array, headerLength: number | null): InferRequest {
  const jsonBytes = headerLength ?? body.length;
  if (jsonBytes > body.length) {
    throw invalid(WHERE, `Inference-Header-Content-Length is ${jsonBytes}, the body has ${body.length} bytes`);
  }
  const root = parseRoot(body.subarray(0, jsonBytes));
  const parameters = optionalObject(root["parameters"], "parameters");
  const binary = { bytes: body.subarray(jsonBytes), offset: 0 };
  const inputs = readInputs(root["inputs"], binary);
  if (binary.offset !== binary.bytes.length) {
    throw invalid(WHERE, `${binary.bytes.length} bytes of binary data came, the inputs name ${binary.offset}`);
  }
  const binaryByDefault = optionalBoolean(parameters["binary_data_output"], "parameters.binary_data_output") ?? false;
  return {
    id: readId(root["id"]),
    inputs,
    outputs: readOutputs(root["outputs"], binaryByDefault),
    binaryByDefault,
    contentType: readContentType(parameters["content_type"]),
    routingKey: readRoutingKey(parameters["routing_key"]),
  };
}

type JsonObject = { readonly [key: string]: Json };

function parseRoot(bytes: Uint8Array): JsonObject {
  let text: string;
  let root: Json;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    root = parseLosslessJson(text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw invalid(WHERE, `the body is not JSON (${cause.message})`, cause);
  }
  return object(root, "the body");
}

function readInputs(found: Json | undefined, binary: { readonly bytes: Uint8Array; offset: number }): RequestInput[] {
  if (!isArray(found) || found.length === 0)
    throw invalid(WHERE, `inputs is ${describe(found)}, allowed: a list of tensors`);
  if (found.length > MAXIMUM_INPUTS) throw invalid(WHERE, `${found.length} inputs, allowed: ${MAXIMUM_INPUTS}`);
  const names = new Set<string>();
  return found.map((element, index) => {
    const input = readInput(object(element, `inputs[${index}]`), `inputs[${index}]`, binary);
    if (names.has(input.name)) throw invalid(WHERE, `input "${input.name}" is there twice`);
    names.add(input.name);
    return input;
  });
}

function readInput(
  tensor: JsonObject,
  where: string,
  binary: { readonly bytes: Uint8Array; offset: number },
): RequestInput {
  const name = readName(tensor["name"], where);
  const datatype = readDatatype(tensor["datatype"], where);
  const shape = readShape(tensor["shape"], where);
  const count = elementCount(shape);
  if (count === null) throw invalid(where, `the shape [${shape.join(",")}] is larger than any body`);
  const size = optionalObject(tensor["parameters"], `${where}.parameters`)["binary_data_size"];
  const data = tensor["data"];
  if (size === undefined) {
    if (data === undefined) throw invalid(where, `input "${name}" has no data`);
    return { name, datatype, shape, elementCount: count, payload: { kind: "json", data } };
  }
  if (data !== undefined) throw invalid(where, `input "${name}" has both data and binary_data_size`);
  const left = binary.bytes.length - binary.offset;
  if (!isCount(size) || size > left) {
    throw invalid(
      where,
      `binary_data_size of input "${name}" is ${describe(size)}, ${left} bytes of binary data are left`,
    );
  }
  const bytes = binary.bytes.subarray(binary.offset, binary.offset + size);
  binary.offset += size;
  return { name, datatype, shape, elementCount: count, payload: { kind: "binary", bytes } };
}

function readOutputs(found: Json | undefined, binaryByDefault: boolean): RequestedOutput[] | null {
  if (found === undefined || found === null) return null;
  if (!isArray(found)) throw invalid(WHERE, `outputs is ${kindOf(found)}, allowed: a list`);
  if (found.length === 0) return null;
  if (found.length > MAXIMUM_INPUTS) throw invalid(WHERE, `${found.length} outputs, allowed: ${MAXIMUM_INPUTS}`);
  return found.map((element, index) => {
    const where = `outputs[${index}]`;
    const output = object(element, where);
    const parameters = optionalObject(output["parameters"], `${where}.parameters`);
    if (parameters["classification"] !== undefined)
      throw invalid(where, "classification is not offered; ask for the tensor");
    const binary = optionalBoolean(parameters["binary_data"], `${where}.parameters.binary_data`);
    return { name: readName(output["name"], where), binary: binary ?? binaryByDefault };
  });
}

function readName(found: Json | undefined, where: string): string {
  if (typeof found === "string" && found !== "") return found;
  throw invalid(where, `name is ${describe(found)}, allowed: a string`);
}

function readDatatype(found: Json | undefined, where: string): TensorDatatype {
  const datatype = TENSOR_DATATYPES.find((name) => name === found);
  if (datatype) return datatype;
  throw invalid(where, `datatype is ${describe(found)}, allowed: ${TENSOR_DATATYPES.join(", ")}`);
}

function readShape(found: Json | undefined, where: string): number[] {
  if (isArray(found) && found.length > 0 && found.length <= MAXIMUM_RANK && found.every(isCount)) return [...found];
  throw invalid(where, `shape is ${describe(found)}, allowed: 1 to ${MAXIMUM_RANK} whole numbers from 0`);
}

function readId(found: Json | undefined): string | null {
  if (found === undefined || found === null || found === "") return null;
  if (typeof found === "string" && found.length <= MAXIMUM_ID_LENGTH && HEADER_SAFE.test(found)) return found;
  throw invalid(WHERE, `id is ${describe(found)}, allowed: up to ${MAXIMUM_ID_LENGTH} printable ASCII characters`);
}

function readContentType(found: Json | undefined): "columns" | "tensors" | null {
  if (found === undefined || found === null) return null;
  if (found === "columns" || found === "tensors") return found;
  throw invalid(WHERE, `parameters.content_type is ${describe(found)}, allowed: "columns", "tensors"`);
}

function readRoutingKey(found: Json | undefined): string | null {
  if (found === undefined || found === null || found === "") return null;
  if (typeof found === "string") return found;
  if (typeof found === "number" || typeof found === "bigint") return String(found);
  throw invalid(WHERE, `parameters.routing_key is ${describe(found)}, allowed: a string`);
}

function object(found: Json | undefined, where: string): JsonObject {
  if (typeof found === "object" && found !== null && !isArray(found)) return found;
  throw invalid(WHERE, `${where} is ${kindOf(found)}, allowed: an object`);
}

function optionalObject(found: Json | undefined, where: string): JsonObject {
  return found === undefined || found === null ? {} : object(found, where);
}

function optionalBoolean(found: Json | undefined, where: string): boolean | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found === "boolean") return found;
  throw invalid(WHERE, `${where} is ${describe(found)}, allowed: true or false`);
}

const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const isCount = (value: Json): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** A value for a message, cut short. */
function describe(found: Json | undefined): string {
  if (typeof found === "string") return JSON.stringify(found.slice(0, 80));
  if (isArray(found) && found.length <= 8 && found.every((size) => typeof size === "number"))
    return `[${found.join(",")}]`;
  return typeof found === "number" || typeof found === "bigint" ? String(found) : kindOf(found);
}
