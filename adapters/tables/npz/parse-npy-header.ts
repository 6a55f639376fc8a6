import { unreadable } from "./unreadable.ts";

/** Element types we read, little-endian as every machine we run on writes them. */
const NPY_TYPES = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "U"] as const;
type NpyType = (typeof NPY_TYPES)[number];

export interface NpyHeader {
  readonly type: NpyType;
  /** Bytes of an element; of text, four a character of the longest. */
  readonly itemBytes: number;
  readonly shape: readonly number[];
}

/** Bytes before the header's own length is known: magic, version and a length of two or four bytes. */
export const NPY_PREFIX_BYTES = 12;
const MOST_HEADER_BYTES = 64 * 1024;

/**
 * Where the header ends, from the first twelve bytes of an npy member.
 * @throws DATA_UNREADABLE
 */
export function npyHeaderEnd(prefix: Buffer, name: string, path: string): { textStart: number; end: number } {
  const version = prefix[6] ?? 0;
  if (prefix.toString("latin1", 0, 6) !== "\x93NUMPY" || version < 1 || version > 3) {
    throw unreadable(path, `member "${name}" is no npy array`, "arrays as numpy.savez writes them");
  }
  const textStart = version === 1 ? 10 : 12;
  const length = version === 1 ? prefix.readUInt16LE(8) : prefix.readUInt32LE(8);
  if (length > MOST_HEADER_BYTES) throw unreadable(path, `a header of ${length} bytes in "${name}"`, "at most 64 KiB");
  return { textStart, end: textStart + length };
}

/**
 * Reads the Python literal of an npy header, e.g. `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
 * @throws DATA_UNREADABLE for other element types, big-endian or Fortran order, naming what is allowed
 */
export function parseNpyHeader(text: string, name: string, path: string): NpyHeader {
  const descr = /'descr':\s*'([<>|=])([a-zA-Z])(\d+)'/.exec(text);
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shapeText = /'shape':\s*\(([\d\s,]*)\)/.exec(text)?.[1];
  const allowed = `little-endian ${NPY_TYPES.join(", ")} in C order`;
  if (descr === null || order === undefined || shapeText === undefined) {
    const found = /'descr':\s*('[^']*'|\[)/.exec(text)?.[1];
    throw unreadable(
      path,
      `array "${name}" ${found === undefined ? "has no plain header" : `has type ${found}`}`,
      allowed,
    );
  }
  const [, endian, letter = "", digits = "0"] = descr;
  const type = NPY_TYPES.find((candidate) => candidate === (letter === "U" ? "U" : `${letter}${Number(digits)}`));
  if (type === undefined || endian === ">") throw unreadable(path, `array "${name}" has type ${descr[0]}`, allowed);
  const shape = shapeText
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  if (order === "True" && shape.length > 1) {
    throw unreadable(path, `array "${name}" is in Fortran order`, "C order: save numpy.ascontiguousarray(a)");
  }
  return { type, itemBytes: letter === "U" ? 4 * Number(digits) : Number(digits), shape };
}
