import type { Tensor } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { decodeText, isStrings } from "../protocol/binary-data.ts";
import { NUMERIC_DATATYPES } from "../protocol/datatypes.ts";
import { invalid } from "../protocol/json-data.ts";
import type { InferTensorContents } from "./messages.ts";

type Field = keyof InferTensorContents;

/** Where the elements of each datatype stand; FP16 and BF16 have no field of their own. */
const FIELDS: Record<TensorDatatype, Field | null> = {
  BOOL: "bool_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  FP16: null,
  BF16: null,
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

/** True for a datatype that travels raw only. */
export const isRawOnly = (datatype: TensorDatatype): boolean => FIELDS[datatype] === null;

/**
 * The elements of a tensor from its typed contents.
 *
 * @param where names the tensor in messages
 * @throws INPUT_INVALID for FP16 and BF16, elements in another datatype's field, a wrong count, an integer out of the datatype's range
 */
export function readContents(
  where: string,
  datatype: TensorDatatype,
  contents: InferTensorContents | null,
  count: number,
): Tensor["data"] {
  const field = FIELDS[datatype];
  if (!field) throw invalid(where, `${datatype} has no typed contents, allowed: raw_input_contents`);
  const stray = Object.entries(contents ?? {}).find(([name, values]) => name !== field && values.length > 0);
  if (stray) throw invalid(where, `the data stands in ${stray[0]}, allowed for ${datatype}: ${field}`);
  const elements = contents?.[field] ?? [];
  if (elements.length !== count) {
    throw invalid(where, `${field} has ${elements.length} elements, the shape says ${count}`);
  }
  if (datatype === "BYTES") {
    return (elements as InferTensorContents["bytes_contents"]).map((bytes, index) => decodeText(where, bytes, index));
  }
  const type = NUMERIC_DATATYPES[datatype];
  const values = type.allocate(count);
  // Their fields have exactly their range.
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let i = 0; i < count; i++) values[i] = BigInt(elements[i] as string);
    return values;
  }
  const [low, high] = "range" in type && type.range ? type.range : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < count; i++) {
    const value = Number(elements[i]);
    if (value < low || value > high) {
      throw invalid(where, `element ${i} of the ${datatype} data is ${value}, allowed: ${low} to ${high}`);
    }
    values[i] = value;
  }
  return values;
}

/** The typed contents of a tensor whose datatype has them. */
export function writeContents({ datatype, data }: Tensor): Partial<InferTensorContents> {
  const field = FIELDS[datatype];
  if (!field) return {};
  if (isStrings(data)) return { bytes_contents: data.map((text) => Buffer.from(text, "utf8")) };
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return { [field]: Array.from(data, String) };
  return { [field]: datatype === "BOOL" ? Array.from(data, Boolean) : Array.from(data) };
}
