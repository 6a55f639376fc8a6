import type { Tensor } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { NUMERIC_DATATYPES } from "./datatypes.ts";
import { invalid } from "./json-data.ts";

/** Strings that are not UTF-8 are refused: replacement characters would change the data unseen. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads the bytes of a tensor of the binary extension: little-endian elements, each BYTES element a uint32 length and its
 * bytes. The result lies over the given bytes where they are aligned.
 *
 * @throws INPUT_INVALID when the bytes are not exactly `count` elements
 */
export function readBinaryData(
  where: string,
  datatype: TensorDatatype,
  bytes: Uint8Array,
  count: number,
): Tensor["data"] {
  if (datatype === "BYTES") return readStrings(where, bytes, count);
  const type = NUMERIC_DATATYPES[datatype];
  if (bytes.length !== count * type.elementBytes) {
    const expected = `${count} elements of ${type.elementBytes} bytes (${datatype})`;
    throw invalid(where, `the binary data is ${bytes.length} bytes, the shape and datatype say ${expected}`);
  }
  // Typed arrays need alignment. Not `Uint8Array.from`, which goes through an iterator.
  const aligned = bytes.byteOffset % type.elementBytes === 0 ? bytes : new Uint8Array(bytes);
  const values = type.over(aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
  if (datatype === "BOOL") for (let i = 0; i < values.length; i++) values[i] = values[i] ? 1 : 0;
  return values;
}

function readStrings(where: string, bytes: Uint8Array, count: number): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw invalid(where, "the binary data ends within the length of a BYTES element");
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > bytes.length) {
      throw invalid(where, `a BYTES element announces ${length} bytes, ${bytes.length - at} are left`);
    }
    strings.push(decodeText(where, bytes.subarray(at, at + length), strings.length));
    at += length;
  }
  if (strings.length !== count) {
    throw invalid(where, `the binary data has ${strings.length} BYTES elements, the shape says ${count}`);
  }
  return strings;
}

/** @throws INPUT_INVALID when BYTES element `index` is not UTF-8 */
export function decodeText(where: string, bytes: Uint8Array, index: number): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw invalid(where, `BYTES element ${index} is not UTF-8 text`, cause);
  }
}

/** The bytes of a tensor's data for the binary extension; a view where possible. */
export function writeBinaryData(tensor: Tensor): Uint8Array {
  if (!isStrings(tensor.data))
    return new Uint8Array(tensor.data.buffer as ArrayBuffer, tensor.data.byteOffset, tensor.data.byteLength);
  const parts: Buffer[] = [];
  for (const string of tensor.data) {
    const encoded = Buffer.from(string, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32LE(encoded.length);
    parts.push(length, encoded);
  }
  return Buffer.concat(parts);
}

/** True for the data of a BYTES tensor. */
export function isStrings(data: Tensor["data"]): data is readonly string[] {
  return Array.isArray(data);
}
