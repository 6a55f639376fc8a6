/**
 * Tensor elements as typed arrays, whatever the storage. The hosts we run on (x86-64, arm64) are little-endian as
 * `raw_data` is, so an aligned tensor is a view of the file; an unaligned one is copied, since typed arrays demand it.
 */
import type { TensorValues } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { datatypeOf } from "./datatypes.ts";
import { bfloat16ToNumber, halfToNumber } from "./half.ts";
import type { Tensor } from "./messages.ts";
import { listOf } from "./tensor-storage.ts";

const ARRAYS = {
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  UINT8: Uint8Array,
  BOOL: Uint8Array,
  INT16: Int16Array,
  UINT16: Uint16Array,
  INT32: Int32Array,
  UINT32: Uint32Array,
  INT64: BigInt64Array,
  UINT64: BigUint64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
} as const satisfies Record<Exclude<TensorDatatype, "BYTES">, unknown>;

const utf8 = new TextDecoder();

/**
 * The elements of a tensor in row-major order: FP16 and BF16 widened to Float32Array, BOOL as 0 and 1, BYTES as strings.
 * A view of the file where possible: do not write into it. Throws on the types nothing here computes with (complex, 8-bit floats, 4-bit) and on
 * external data, both of which `inspectModel` tells apart beforehand.
 */
export function tensorValues(tensor: Tensor): TensorValues | string[] {
  const datatype = datatypeOf(tensor.dataType);
  if (datatype === undefined) throw new TypeError(`tensor "${tensor.name}" has data type ${tensor.dataType}`);
  if (datatype === "BYTES") return tensor.stringData.map((bytes) => utf8.decode(bytes));
  const values = storedValues(tensor, datatype);
  if (datatype === "FP16") return Float32Array.from(values as Uint16Array, halfToNumber);
  if (datatype === "BF16") return Float32Array.from(values as Uint16Array, bfloat16ToNumber);
  return values;
}

function storedValues(tensor: Tensor, datatype: Exclude<TensorDatatype, "BYTES">): TensorValues {
  const array = ARRAYS[datatype];
  const raw = tensor.rawData;
  if (raw !== undefined) {
    const aligned = raw.byteOffset % array.BYTES_PER_ELEMENT === 0;
    // Not slice(): on a Node Buffer that is a view, as unaligned as before.
    const bytes = aligned ? raw : new Uint8Array(raw);
    return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
  }
  const list = listOf(tensor);
  if (list instanceof array) return list;
  if (list instanceof Int32Array && !isBigArray(array)) return array.from(list);
  return Uint32Array.from(list as BigUint64Array, Number);
}

function isBigArray(array: unknown): array is BigInt64ArrayConstructor | BigUint64ArrayConstructor {
  return array === BigInt64Array || array === BigUint64Array;
}

/** The elements of a float tensor (FP32 or FP16); undefined for any other type or for external data. */
export function floatValues(tensor: Tensor): Float32Array | undefined {
  if (tensor.dataLocation !== 0) return undefined;
  const datatype = datatypeOf(tensor.dataType);
  if (datatype !== "FP32" && datatype !== "FP16") return undefined;
  return tensorValues(tensor) as Float32Array;
}
