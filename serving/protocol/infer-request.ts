import type { Tensor } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { elementCount } from "./datatypes.ts";
import { invalid, kindOf } from "./json-data.ts";
import { parseLosslessJson, type Json } from "./lossless-json.ts";
import { cutNumberLists, readNumberList, type NumberList } from "./number-lists.ts";
import {
  describe,
  isArray,
  isCount,
  object,
  optionalBoolean,
  optionalObject,
  readContentType,
  readDatatype,
  readId,
  readName,
  readRoutingKey,
  readShape,
  readTimeout,
  WHERE,
  type JsonObject,
} from "./request-fields.ts";

/** One input of a request, its data still as it came: what the data means depends on the model. */
export interface RequestInput {
  readonly name: string;
  readonly datatype: TensorDatatype;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly payload:
    | { readonly kind: "json"; readonly data: Json }
    | { readonly kind: "binary"; readonly bytes: Uint8Array }
    /** Typed contents of gRPC, and long lists of JSON: already what the datatype says. */
    | { readonly kind: "values"; readonly data: Tensor["data"] };
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
  /** How long the client wants to wait; null where it does not say. */
  readonly timeoutMs: number | null;
}

export const MAXIMUM_INPUTS = 10_000;

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
  const json = body.subarray(0, jsonBytes);
  const binary = body.subarray(jsonBytes);
  return parseLongNumbers(json, binary) ?? readRequest(parseRoot(json), binary, NO_LISTS);
}

/** Shorter texts have no list that is worth looking for. */
const LONG_BYTES = 4_096;
const NO_LISTS: NumberLists = { take: () => null };

/** Lists of numbers that were cut out of the JSON, by what stands there instead. */
interface NumberLists {
  readonly take: (found: Json | undefined) => NumberList | null;
}

/** The request read with its long lists of numbers apart; null, whatever the reason, when the plain way must read it or say what is wrong. */
function parseLongNumbers(json: Uint8Array, binary: Uint8Array): InferRequest | null {
  if (json.length < LONG_BYTES) return null;
  try {
    const cut = cutNumberLists(Buffer.from(json.buffer, json.byteOffset, json.length));
    if (!cut) return null;
    const unread = new Map(cut.lists);
    const request = readRequest(object(parseLosslessJson(cut.text), "the body"), binary, {
      take: (found) => {
        const list = typeof found === "string" ? unread.get(found) : undefined;
        if (typeof found === "string") unread.delete(found);
        return list ?? null;
      },
    });
    // What nobody read might not even be JSON.
    return unread.size === 0 ? request : null;
  } catch {
    // The plain way runs through the same and throws what it should, a bug as well.
    return null;
  }
}

function readRequest(root: JsonObject, bytes: Uint8Array, lists: NumberLists): InferRequest {
  const parameters = optionalObject(root["parameters"], "parameters");
  const aside = { bytes, offset: 0, lists };
  const inputs = readInputs(root["inputs"], aside);
  if (aside.offset !== bytes.length) {
    throw invalid(WHERE, `${bytes.length} bytes of binary data came, the inputs name ${aside.offset}`);
  }
  const binaryByDefault = optionalBoolean(parameters["binary_data_output"], "parameters.binary_data_output") ?? false;
  return {
    id: readId(root["id"]),
    inputs,
    outputs: readOutputs(root["outputs"], binaryByDefault),
    binaryByDefault,
    contentType: readContentType(parameters["content_type"]),
    routingKey: readRoutingKey(parameters["routing_key"]),
    timeoutMs: readTimeout(parameters["timeout"]),
  };
}

/** What is not UTF-8 is refused: replacement characters would change it unseen. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

function parseRoot(bytes: Uint8Array): JsonObject {
  let text: string;
  let root: Json;
  try {
    text = utf8.decode(bytes);
    root = parseLosslessJson(text);
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw invalid(WHERE, `the body is not JSON (${cause.message})`, cause);
  }
  return object(root, "the body");
}

/** Where the data of inputs is that is not in the JSON itself. */
interface Aside {
  readonly bytes: Uint8Array;
  offset: number;
  readonly lists: NumberLists;
}

function readInputs(found: Json | undefined, aside: Aside): RequestInput[] {
  if (!isArray(found) || found.length === 0)
    throw invalid(WHERE, `inputs is ${describe(found)}, allowed: a list of tensors`);
  if (found.length > MAXIMUM_INPUTS) throw invalid(WHERE, `${found.length} inputs, allowed: ${MAXIMUM_INPUTS}`);
  const names = new Set<string>();
  return found.map((element, index) => {
    const input = readInput(object(element, `inputs[${index}]`), `inputs[${index}]`, aside);
    if (names.has(input.name)) throw invalid(WHERE, `input "${input.name}" is there twice`);
    names.add(input.name);
    return input;
  });
}

function readInput(tensor: JsonObject, where: string, aside: Aside): RequestInput {
  const name = readName(tensor["name"], where);
  const datatype = readDatatype(tensor["datatype"], where);
  const shape = readShape(tensor["shape"], where);
  const count = elementCount(shape);
  if (count === null) throw invalid(where, `the shape [${shape.join(",")}] is larger than any body`);
  const size = optionalObject(tensor["parameters"], `${where}.parameters`)["binary_data_size"];
  const data = tensor["data"];
  if (size === undefined) {
    if (data === undefined) throw invalid(where, `input "${name}" has no data`);
    const list = aside.lists.take(data);
    if (list) return { name, datatype, shape, elementCount: count, payload: readNumbers(list, datatype, shape, count) };
    return { name, datatype, shape, elementCount: count, payload: { kind: "json", data } };
  }
  if (data !== undefined) throw invalid(where, `input "${name}" has both data and binary_data_size`);
  const left = aside.bytes.length - aside.offset;
  if (!isCount(size) || size > left) {
    throw invalid(
      where,
      `binary_data_size of input "${name}" is ${describe(size)}, ${left} bytes of binary data are left`,
    );
  }
  const bytes = aside.bytes.subarray(aside.offset, aside.offset + size);
  aside.offset += size;
  return { name, datatype, shape, elementCount: count, payload: { kind: "binary", bytes } };
}

/** @throws SyntaxError for what is not simply numbers of the datatype */
function readNumbers(
  list: NumberList,
  datatype: TensorDatatype,
  shape: readonly number[],
  count: number,
): RequestInput["payload"] {
  const data = readNumberList(list, datatype, shape, count);
  if (!data) throw new SyntaxError("no list of numbers");
  return { kind: "values", data };
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
