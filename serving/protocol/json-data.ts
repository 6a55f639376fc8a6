import type { Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { numberToHalf } from "../../core/data/number-to-half.ts";
import { numberToBfloat16 } from "../../core/onnx/half.ts";
import { NUMERIC_DATATYPES } from "./datatypes.ts";
import type { Json } from "./lossless-json.ts";

/**
 * Reads the `data` of a JSON tensor: row-major, flat or nested as the shape says.
 *
 * @param where names the tensor in messages
 * @returns one typed array (FP16 and BF16 as bits, BOOL as 0 and 1), strings for BYTES
 * @throws INPUT_INVALID on a wrong count, nesting, type or an integer out of range; numbers are never rounded or clipped
 */
export function readJsonData(
  where: string,
  tensor: { readonly datatype: TensorDatatype; readonly shape: readonly number[]; readonly data: Json },
  count: number,
): Tensor["data"] {
  const flat = flatten(where, tensor.data, tensor.shape, count);
  if (tensor.datatype === "BYTES") return flat.map((value, index) => text(where, value, index));
  const type = NUMERIC_DATATYPES[tensor.datatype];
  const values = type.allocate(count);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) values[i] = wholeBig(where, tensor.datatype, flat[i], i);
  } else {
    const convert = CONVERSIONS[tensor.datatype as keyof typeof CONVERSIONS] ?? whole;
    for (let i = 0; i < count; i++) values[i] = convert(where, tensor.datatype, flat[i], i);
  }
  return values;
}

const CONVERSIONS = { BOOL: bool, FP16: half, BF16: bfloat16, FP32: single, FP64: finite };

/** The elements of flat or nested `data`, in order. */
export function flatten(where: string, data: Json, shape: readonly number[], count: number): readonly Json[] {
  if (!Array.isArray(data)) throw invalid(where, `data is ${kindOf(data)}, allowed: an array`);
  const elements = data as readonly Json[];
  if (!Array.isArray(elements[0])) return expectCount(where, elements, shape, count);
  const out: Json[] = [];
  collect(where, elements, shape, 0, out);
  return expectCount(where, out, shape, count);
}

function collect(where: string, data: Json, shape: readonly number[], axis: number, out: Json[]): void {
  if (axis === shape.length) {
    out.push(data);
    return;
  }
  const found = Array.isArray(data) ? `${data.length} elements` : kindOf(data);
  if (!Array.isArray(data) || data.length !== shape[axis]) {
    throw invalid(where, `data has ${found} along axis ${axis}, the shape [${shape.join(",")}] says ${shape[axis]}`);
  }
  for (const element of data as readonly Json[]) collect(where, element, shape, axis + 1, out);
}

function expectCount(where: string, flat: readonly Json[], shape: readonly number[], count: number): readonly Json[] {
  if (flat.length === count) return flat;
  throw invalid(where, `data has ${flat.length} elements, the shape [${shape.join(",")}] says ${count}`);
}

type Found = Json | undefined;

function text(where: string, value: Found, index: number): string {
  if (typeof value === "string") return value;
  throw element(where, "BYTES", value, index, "a string");
}

function bool(where: string, datatype: string, value: Found, index: number): number {
  if (value === true || value === 1) return 1;
  if (value === false || value === 0) return 0;
  throw element(where, datatype, value, index, "true or false");
}

function finite(where: string, datatype: string, value: Found, index: number): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw element(where, datatype, value, index, "a finite number");
}

function single(where: string, datatype: string, value: Found, index: number): number {
  const number = Math.fround(finite(where, datatype, value, index));
  if (Number.isFinite(number)) return number;
  throw element(where, datatype, value, index, "a number within single precision");
}

function half(where: string, datatype: string, value: Found, index: number): number {
  const bits = numberToHalf(finite(where, datatype, value, index));
  if ((bits & 0x7c00) !== 0x7c00) return bits;
  throw element(where, datatype, value, index, "a number within half precision");
}

function bfloat16(where: string, datatype: string, value: Found, index: number): number {
  const bits = numberToBfloat16(finite(where, datatype, value, index));
  if ((bits & 0x7f80) !== 0x7f80) return bits;
  throw element(where, datatype, value, index, "a number within the range of BF16");
}

function whole(where: string, datatype: TensorDatatype, value: Found, index: number): number {
  const [low, high] = rangeOf(datatype);
  if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value;
  throw element(where, datatype, value, index, `a whole number from ${low} to ${high}`);
}

function wholeBig(where: string, datatype: TensorDatatype, value: Found, index: number): bigint {
  const [low, high] = rangeOf(datatype);
  if (typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value))) {
    const integer = BigInt(value);
    if (integer >= low && integer <= high) return integer;
  }
  throw element(where, datatype, value, index, `a whole number from ${low} to ${high}`);
}

function rangeOf(datatype: TensorDatatype): readonly [bigint, bigint] {
  const type = datatype === "BYTES" ? undefined : NUMERIC_DATATYPES[datatype];
  return type && "range" in type && type.range ? type.range : [0n, 0n];
}

function element(where: string, datatype: string, value: Found, index: number, allowed: string): Failure {
  const shown = typeof value === "number" || typeof value === "bigint" ? String(value) : kindOf(value);
  return invalid(where, `element ${index} of the ${datatype} data is ${shown}, allowed: ${allowed}`);
}

/** What a JSON value is, for messages. */
export function kindOf(value: Found): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value === "bigint" ? "number" : typeof value}`;
}

/** A request that breaks the protocol: 400. */
export function invalid(where: string, problems: string, cause?: unknown): Failure<"INPUT_INVALID"> {
  return new Failure("INPUT_INVALID", { where, problems }, { cause });
}
