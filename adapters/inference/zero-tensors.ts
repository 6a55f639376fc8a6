import type { Tensor } from "../../contracts/data.ts";
import type { ModelSignature, TensorDatatype } from "../../contracts/signature.ts";

const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** The array that holds elements of a type. */
export const typedArrayOf = (datatype: Exclude<TensorDatatype, "BYTES">) => ARRAYS[datatype];

/** Inputs of all zeros (empty strings) for `rowCount` rows: every other open axis has size 1. For smoke runs without data. */
export function zeroTensors(signature: ModelSignature, rowCount: number): Tensor[] {
  return signature.inputs.map(({ name, datatype, shape }) => {
    const sizes = shape.map((size, axis) => (size === -1 ? (axis === 0 ? rowCount : 1) : size));
    const count = sizes.reduce((product, size) => product * size, 1);
    const data = datatype === "BYTES" ? Array.from({ length: count }, () => "") : new (typedArrayOf(datatype))(count);
    return { name, datatype, shape: sizes, data };
  });
}
