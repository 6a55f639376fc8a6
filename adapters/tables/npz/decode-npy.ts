import type { Column } from "../../../contracts/data.ts";
import type { TextDictionary } from "../text-dictionary.ts";
import type { NpyHeader } from "./parse-npy-header.ts";

const VIEWS: Readonly<Record<Exclude<NpyHeader["type"], "U">, (buffer: ArrayBuffer) => ArrayLike<number | bigint>>> = {
  f4: (buffer) => new Float32Array(buffer),
  f8: (buffer) => new Float64Array(buffer),
  i1: (buffer) => new Int8Array(buffer),
  i2: (buffer) => new Int16Array(buffer),
  i4: (buffer) => new Int32Array(buffer),
  i8: (buffer) => new BigInt64Array(buffer),
  u1: (buffer) => new Uint8Array(buffer),
  u2: (buffer) => new Uint16Array(buffer),
  u4: (buffer) => new Uint32Array(buffer),
  u8: (buffer) => new BigUint64Array(buffer),
  b1: (buffer) => new Uint8Array(buffer),
};

/**
 * A batch of rows out of an array's bytes. Whole numbers beyond 2^53 are rounded to the nearest double.
 * @throws RangeError for text that is not UTF-32
 */
export function decodeNpy(header: NpyHeader, bytes: Uint8Array<ArrayBuffer>, dictionary: TextDictionary): Column {
  if (header.type === "U") {
    const length = header.itemBytes / 4;
    const points = new Uint32Array(bytes.buffer);
    const rowCount = points.length / length;
    const codes = new Int32Array(rowCount);
    for (let row = 0; row < rowCount; row++) {
      let end = length;
      while (end > 0 && points[row * length + end - 1] === 0) end--;
      codes[row] = dictionary.codeOf(String.fromCodePoint(...points.subarray(row * length, row * length + end)));
    }
    return { kind: "text", codes, dictionary: dictionary.take() };
  }
  const numbers = VIEWS[header.type](bytes.buffer);
  const values = numbers instanceof Float64Array ? numbers : Float64Array.from(numbers, Number);
  if (header.type === "b1") values.forEach((value, index) => (values[index] = value === 0 ? 0 : 1));
  return header.shape.length === 1
    ? { kind: "number", values }
    : { kind: "tensor", values, rowShape: header.shape.slice(1) };
}
