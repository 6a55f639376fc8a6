import type { TensorValues } from "../../contracts/data.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import { NUMERIC_DATATYPES } from "./datatypes.ts";
import { NumberReader } from "./number-reader.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const CLOSE_OBJECT = 0x7d;
/** Shorter lists stay where they are: `JSON.parse` reads them while we would still look for their end. */
const LONG_BYTES = 2_048;

/** A JSON text without its long lists of numbers. */
export interface CutJson {
  /** What is left. In the place of each list stands a string that no sender can know. */
  readonly text: string;
  /** The lists by those strings. */
  readonly lists: ReadonlyMap<string, NumberList>;
}

/** Bytes of an array, both brackets within. */
export interface NumberList {
  readonly bytes: Buffer;
}

/**
 * Cuts long values of `data` out of a JSON text, as far as they look like lists of numbers: a tensor of an image is 3 MB of digits, which
 * `JSON.parse` takes longer to read than the model takes to run. Whoever reads them finds out whether they are.
 *
 * @returns null where there are none
 * @throws TypeError where the rest is not UTF-8
 */
export function cutNumberLists(bytes: Buffer): CutJson | null {
  const lists = new Map<string, NumberList>();
  const mark = `${Math.random().toString(36)}${Math.random().toString(36)}:`;
  const rest: Buffer[] = [];
  let copied = 0;
  for (let at = bytes.indexOf(QUOTE); at !== -1; at = bytes.indexOf(QUOTE, at)) {
    const end = endOfString(bytes, at);
    const isData = end - at === 6 && bytes.toString("latin1", at + 1, end - 1) === "data";
    at = end;
    if (!isData) continue;
    const start = skipSpace(bytes, skipSpace(bytes, end) + 1);
    if (bytes[skipSpace(bytes, end)] !== COLON || bytes[start] !== OPEN) continue;
    const listEnd = endOfList(bytes, start);
    if (listEnd - start < LONG_BYTES) continue;
    const name = `${mark}${lists.size}`;
    lists.set(name, { bytes: bytes.subarray(start, listEnd) });
    rest.push(bytes.subarray(copied, start), Buffer.from(`"${name}"`));
    copied = listEnd;
    at = listEnd;
  }
  if (lists.size === 0) return null;
  rest.push(bytes.subarray(copied));
  return { text: new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(rest)), lists };
}

/** Behind the closing quote; where there is none, the end. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(QUOTE, start + 1); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
    let before = at - 1;
    while (bytes[before] === BACKSLASH) before--;
    if ((at - before) % 2 === 1) return at + 1;
  }
  return bytes.length;
}

/** Of a list that holds neither strings nor objects: they are what comes next behind it. What is none is found out by reading. */
function endOfList(bytes: Buffer, start: number): number {
  const quote = bytes.indexOf(QUOTE, start);
  const before = bytes.subarray(start, quote === -1 ? bytes.length : quote);
  const object = before.indexOf(CLOSE_OBJECT);
  return start + (object === -1 ? before : before.subarray(0, object)).lastIndexOf(CLOSE) + 1;
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

/**
 * The numbers of a list, flat or nested as the shape says, as `JSON.parse` and the reader of parsed data would give them.
 *
 * @returns null for everything out of the ordinary: another datatype, a number that does not fit it, another count, no list of numbers at all
 */
export function readNumberList(
  { bytes }: NumberList,
  datatype: TensorDatatype,
  shape: readonly number[],
  count: number,
): TensorValues | null {
  // A number takes two bytes with its comma: a shape can not make us take more memory than the list did.
  if (!isPlain(datatype) || count === 0 || count > bytes.length / 2) return null;
  const values = NUMERIC_DATATYPES[datatype].allocate(count);
  const store = createStore(values);
  const reader = new NumberReader(bytes, skipSpace(bytes, 1), values instanceof Float32Array ? values : null);
  const isNested = bytes[reader.at] === OPEN;
  if (isNested ? !readNested(reader, bytes, shape, store) : !readFlat(reader, bytes, store, 0, count)) return null;
  return skipSpace(bytes, reader.at) === bytes.length ? values : null;
}

const PLAIN = ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"] as const;
const isPlain = (datatype: TensorDatatype): datatype is (typeof PLAIN)[number] =>
  PLAIN.some((plain) => plain === datatype);

/** Stores a number; false where the type does not hold it. */
type Store = (index: number, value: number) => boolean;

function createStore(values: TensorValues): Store {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const least = values instanceof BigInt64Array ? Number.MIN_SAFE_INTEGER : 0;
    return (index, value) => {
      if (!Number.isSafeInteger(value) || value < least) return false;
      values[index] = BigInt(value);
      return true;
    };
  }
  const isReal = values instanceof Float32Array || values instanceof Float64Array;
  return (index, value) => {
    values[index] = value;
    // What an integer type cannot hold is changed by storing it.
    return isReal ? Number.isFinite(values[index]) : values[index] === value;
  };
}

/** Reads `count` numbers into their place and the bracket behind them; false where they are not there, or do not fit. */
function readFlat(reader: NumberReader, bytes: Buffer, store: Store, from: number, count: number): boolean {
  const last = from + count - 1;
  for (let i = from; i <= last; i++) {
    i = reader.readSingles(i, last);
    reader.at = skipSpace(bytes, reader.at);
    if (!store(i, reader.read())) return false;
    const at = skipSpace(bytes, reader.at);
    if (bytes[at] !== (i === last ? CLOSE : COMMA)) return false;
    reader.at = skipSpace(bytes, at + 1);
  }
  return true;
}

/** From the second bracket on. */
function readNested(reader: NumberReader, bytes: Buffer, shape: readonly number[], store: Store): boolean {
  const width = shape.at(-1) ?? 0;
  let from = 0;
  /** Behind an open bracket of this axis. */
  const readAxis = (axis: number): boolean => {
    if (axis === shape.length - 1) {
      from += width;
      return readFlat(reader, bytes, store, from - width, width);
    }
    const size = shape[axis] ?? 0;
    for (let i = 0; i < size; i++) {
      if (bytes[reader.at] !== OPEN) return false;
      reader.at = skipSpace(bytes, reader.at + 1);
      if (!readAxis(axis + 1)) return false;
      reader.at = skipSpace(bytes, reader.at);
      if (bytes[reader.at] !== (i === size - 1 ? CLOSE : COMMA)) return false;
      reader.at = skipSpace(bytes, reader.at + 1);
    }
    return true;
  };
  return readAxis(0);
}
