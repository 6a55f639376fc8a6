import type { Column, ColumnBatch, Tensor, TensorValues } from "../contracts/data.ts";
import type { ModelSignature, TensorInput } from "../contracts/signature.ts";
import { encodeFeatures } from "../core/data/encode-features.ts";
import { featureColumns, signatureFeatures } from "../core/data/feature-columns.ts";
import { readBinaryData, isStrings } from "./protocol/binary-data.ts";
import type { InferRequest, RequestInput } from "./protocol/infer-request.ts";
import { flatten, invalid, kindOf, readJsonData } from "./protocol/json-data.ts";

export interface ModelInput {
  /** In the order of the signature's inputs. */
  readonly tensors: readonly Tensor[];
  readonly rowCount: number;
  /** Raw columns by name, where the request carried them. */
  readonly columns: ReadonlyMap<string, Column> | null;
}

/**
 * A request's inputs as the model's tensors. A request carries tensors by the model's input names, or raw columns by name,
 * which go through the same feature mapping as training data did. `content_type` decides; without it, names that are all
 * the model's inputs are tensors, and names that are not are columns where they are the signature's columns.
 *
 * @throws INPUT_INVALID, COLUMN_MISSING, COLUMN_TYPE, UNKNOWN_CATEGORY for what the client can mend
 */
export function readModelInput(request: InferRequest, signature: ModelSignature, where: string): ModelInput {
  return isColumns(request, signature)
    ? readColumns(request, signature, where)
    : readTensors(request, signature, where);
}

function isColumns(request: InferRequest, signature: ModelSignature): boolean {
  if (request.contentType) return request.contentType === "columns";
  const own = columnsOnly(signature);
  return request.inputs.some(({ name }) => own.has(name));
}

/** Kept, because every request asks. */
const columnsBySignature = new WeakMap<ModelSignature, ReadonlySet<string>>();

/** Names of columns that are no tensor's. */
function columnsOnly(signature: ModelSignature): ReadonlySet<string> {
  const known = columnsBySignature.get(signature);
  if (known) return known;
  const tensors = new Set(signature.inputs.map(({ name }) => name));
  const found = new Set(featureColumns(signature).filter((column) => !tensors.has(column)));
  columnsBySignature.set(signature, found);
  return found;
}

function readTensors(request: InferRequest, signature: ModelSignature, where: string): ModelInput {
  const known = signature.inputs.map(({ name }) => name);
  const extra = request.inputs.find(({ name }) => !known.includes(name));
  if (extra) throw invalid(where, `input "${extra.name}" is not one of the model's; allowed: ${known.join(", ")}`);
  let rowCount: number | null = null;
  const tensors = signature.inputs.map((input) => {
    const found = request.inputs.find(({ name }) => name === input.name);
    if (!found) throw invalid(where, `input "${input.name}" is missing; needed: ${known.join(", ")}`);
    checkTensor(found, input, where);
    if (input.shape[0] === -1) {
      const rows = found.shape[0] ?? 0;
      if (rowCount !== null && rows !== rowCount) {
        throw invalid(where, `input "${input.name}" has ${rows} rows, the inputs before it ${rowCount}`);
      }
      rowCount = rows;
    }
    const tensor = { name: input.name, datatype: input.datatype, shape: found.shape, data: readData(found, where) };
    checkCategories(tensor, input, where);
    return tensor;
  });
  return { tensors, rowCount: rowCount ?? 1, columns: null };
}

function checkTensor(found: RequestInput, input: TensorInput, where: string): void {
  if (found.datatype !== input.datatype) {
    throw invalid(where, `input "${input.name}" is ${found.datatype}, allowed: ${input.datatype}`);
  }
  const fits =
    found.shape.length === input.shape.length &&
    input.shape.every((size, axis) => size === -1 || size === found.shape[axis]);
  if (!fits) {
    throw invalid(
      where,
      `input "${input.name}" has shape [${found.shape.join(",")}], allowed: [${input.shape.join(",")}]`,
    );
  }
  if (found.elementCount === 0) throw invalid(where, `input "${input.name}" is empty, allowed: at least one row`);
}

/** A category's number indexes an embedding: one outside it fails in the runtime, for the whole batch and with no name. */
function checkCategories(tensor: Tensor, input: TensorInput, where: string): void {
  if (isStrings(tensor.data) || !input.features.every(({ kind }) => kind === "category")) return;
  const limits = input.features.map((feature) => {
    if (feature.kind !== "category") return 0;
    const substitutes = [feature.unknown, feature.missing].filter((place) => typeof place === "number");
    return Math.max(feature.vocabulary.length - 1, ...substitutes);
  });
  const wrong = findBeyond(tensor.data, limits);
  if (wrong === -1) return;
  const limit = limits[wrong % limits.length];
  throw invalid(
    where,
    `element ${wrong} of input "${input.name}" is ${tensor.data[wrong]}, allowed: 0 to ${limit} (a place in the vocabulary)`,
  );
}

/** Where the first element lies that is not from 0 to its limit; the limits stand for columns in turn. -1 without any. */
function findBeyond(values: TensorValues, limits: readonly number[]): number {
  const width = limits.length;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    // As two halves each: comparing a bigint with a number takes fifty times as long.
    const halves = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
    for (let i = 0; i < values.length; i++) {
      if (halves[2 * i + 1] !== 0 || (halves[2 * i] ?? 0) > (limits[i % width] ?? 0)) return i;
    }
    return -1;
  }
  for (let i = 0; i < values.length; i++) {
    const place = values[i] ?? 0;
    if (place < 0 || place > (limits[i % width] ?? 0)) return i;
  }
  return -1;
}

function readData(input: RequestInput, where: string): Tensor["data"] {
  const { payload, datatype, shape, elementCount } = input;
  const place = `${where}, input "${input.name}"`;
  if (payload.kind === "values") return payload.data;
  if (payload.kind === "binary") return readBinaryData(place, datatype, payload.bytes, elementCount);
  return readJsonData(place, { datatype, shape, data: payload.data }, elementCount);
}

function readColumns(request: InferRequest, signature: ModelSignature, where: string): ModelInput {
  const tensorColumns = new Set(
    signatureFeatures(signature)
      .filter(({ kind }) => kind === "tensor")
      .map(({ column }) => column),
  );
  const wanted = new Set(featureColumns(signature));
  const rowCount = request.inputs[0]?.shape[0] ?? 0;
  if (rowCount === 0) throw invalid(where, "the columns are empty, allowed: at least one row");
  const columns = new Map<string, Column>();
  for (const input of request.inputs) {
    // Ids, times and whatever else stands in the client's table are as little the model's business as in training.
    if (!wanted.has(input.name)) continue;
    if (input.shape[0] !== rowCount) {
      throw invalid(where, `column "${input.name}" has ${input.shape[0]} rows, the first one ${rowCount}`);
    }
    columns.set(input.name, tensorColumns.has(input.name) ? readTensorColumn(input, where) : readColumn(input, where));
  }
  const batch: ColumnBatch = { rowCount, columns };
  return { tensors: encodeFeatures({ signature, batch, where }), rowCount, columns };
}

function readTensorColumn(input: RequestInput, where: string): Column {
  const data = readData(input, where);
  if (isStrings(data)) return textColumn(data);
  return { kind: "tensor", values: doubles(data, input, where), rowShape: input.shape.slice(1) };
}

function readColumn(input: RequestInput, where: string): Column {
  const place = `${where}, column "${input.name}"`;
  if (input.shape.length > 2 || (input.shape[1] ?? 1) !== 1) {
    throw invalid(place, `the shape is [${input.shape.join(",")}], allowed: [rows] or [rows,1]`);
  }
  if (input.datatype === "FP16" || input.datatype === "BF16")
    throw invalid(place, `a column of ${input.datatype}, allowed: FP32, FP64, integers, BOOL, BYTES`);
  if (input.payload.kind === "json") {
    const flat = flatten(place, input.payload.data, input.shape, input.elementCount);
    if (flat.includes(null)) return readColumnWithNulls(flat, input, place);
  }
  const data = readData(input, where);
  return isStrings(data) ? textColumn(data) : { kind: "number", values: doubles(data, input, where) };
}

/** JSON's null is a missing value here, for the signature to fill in or refuse; in a tensor there is no such thing. */
function readColumnWithNulls(flat: readonly unknown[], input: RequestInput, where: string): Column {
  if (input.datatype === "BYTES") {
    const wrong = flat.findIndex((value) => value !== null && typeof value !== "string");
    if (wrong !== -1)
      throw invalid(
        where,
        `element ${wrong} of the BYTES data is ${kindOf(flat[wrong] as never)}, allowed: a string or null`,
      );
    return textColumn(flat as readonly (string | null)[]);
  }
  const present = flat.map((value) => (value === null ? 0 : value)) as never[];
  const shape = [flat.length];
  const data = readJsonData(where, { datatype: input.datatype, shape, data: present }, flat.length);
  const values = doubles(data as Exclude<Tensor["data"], readonly string[]>, input, where);
  for (let i = 0; i < flat.length; i++) if (flat[i] === null) values[i] = Number.NaN;
  return { kind: "number", values };
}

function textColumn(values: readonly (string | null)[]): Column {
  const places = new Map<string, number>();
  const codes = Int32Array.from(values, (value) => {
    if (value === null) return -1;
    const place = places.get(value) ?? places.size;
    places.set(value, place);
    return place;
  });
  return { kind: "text", codes, dictionary: [...places.keys()] };
}

function doubles(data: Exclude<Tensor["data"], readonly string[]>, input: RequestInput, where: string): Float64Array {
  if (!(data instanceof BigInt64Array || data instanceof BigUint64Array)) return Float64Array.from(data);
  return Float64Array.from(data, (value) => {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw invalid(
      where,
      `column "${input.name}" holds ${value}, allowed: whole numbers within 2^53 (columns are doubles)`,
    );
  });
}
