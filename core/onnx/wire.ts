/**
 * The Protocol Buffers wire format, driven by one table per message. Generated protobuf-es code was the other way: it is
 * ten times as long, knows presence and bigint only, and has no bound on what hostile bytes may allocate.
 */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** The bytes are not the message they should be. Only `parseModel` sees it, and names the file. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

/** ONNX nests graph, node, attribute: three levels a subgraph. Deeper than any exporter, far from the stack's end. */
const MAXIMUM_DEPTH = 64;
/** An empty message takes two bytes on the wire and some two hundred in memory: the bound on that multiplication. */
const MAXIMUM_MESSAGES = 1_000_000;
/** Writers keep a repeated field together; a field torn in many pieces would make joining them quadratic. */
const MAXIMUM_PIECES = 64;

interface Decoding {
  readonly bytes: Uint8Array;
  readonly reader: BinaryReader;
  depth: number;
  messages: number;
}

/** How one field is kept in memory (`Value`) and on the wire. */
export interface Field<Value> {
  readonly number: number;
  readonly initial: () => Value;
  readonly read: (decoding: Decoding, wire: WireType, end: number, current: Value) => Value;
  readonly write: (writer: BinaryWriter, value: Value) => void;
}

/** Fields of newer ONNX versions, tag included, written back after the known ones. */
export interface Unknown {
  unknown?: Uint8Array[];
}

type Entry = readonly [property: string, field: Field<unknown>];

export interface Message<Shape> {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly byNumber: ReadonlyMap<number, Entry>;
  readonly check: ((shape: Shape) => void) | undefined;
}

/** Declares a message. `check` sees each decoded message and throws MalformedMessage when it contradicts itself. */
export function defineMessage<Shape extends Unknown>(
  name: string,
  fields: { readonly [Key in Exclude<keyof Shape, "unknown">]-?: Field<Shape[Key]> },
  check?: (shape: Shape) => void,
): Message<Shape> {
  const entries = (Object.entries(fields) as unknown as Entry[]).toSorted((a, b) => a[1].number - b[1].number);
  return { name, entries, byNumber: new Map(entries.map((entry) => [entry[1].number, entry])), check };
}

/** A message with nothing set. */
export function emptyMessage<Shape>(message: Message<Shape>): Shape {
  const shape: Record<string, unknown> = {};
  for (const [property, field] of message.entries) {
    const value = field.initial();
    if (value !== undefined) shape[property] = value;
  }
  return shape as Shape;
}

export function decode<Shape extends Unknown>(message: Message<Shape>, bytes: Uint8Array): Shape {
  return decodeUntil({ bytes, reader: new BinaryReader(bytes), depth: 0, messages: 0 }, message, bytes.length);
}

export function encode<Shape extends Unknown>(message: Message<Shape>, shape: Shape): Uint8Array {
  const writer = new BinaryWriter();
  writeMessage(writer, message, shape);
  return writer.finish();
}

function decodeUntil<Shape extends Unknown>(decoding: Decoding, message: Message<Shape>, end: number): Shape {
  const { reader } = decoding;
  if (++decoding.depth > MAXIMUM_DEPTH)
    throw new MalformedMessage(`${message.name} nested deeper than ${MAXIMUM_DEPTH}`);
  if (++decoding.messages > MAXIMUM_MESSAGES) throw new MalformedMessage(`more than ${MAXIMUM_MESSAGES} messages`);
  const shape = emptyMessage(message);
  const values = shape as Record<string, unknown>;
  while (reader.pos < end) {
    const start = reader.pos;
    const [number, wire] = reader.tag();
    const entry = message.byNumber.get(number);
    if (entry === undefined) {
      skip(decoding, number, wire, end);
      (shape.unknown ??= []).push(decoding.bytes.subarray(start, reader.pos));
    } else {
      values[entry[0]] = entry[1].read(decoding, wire, end, values[entry[0]]);
    }
    if (reader.pos > end) throw new MalformedMessage(`field ${number} of ${message.name} ends after its message`);
  }
  decoding.depth--;
  message.check?.(shape);
  return shape;
}

function writeMessage<Shape extends Unknown>(writer: BinaryWriter, message: Message<Shape>, shape: Shape): void {
  const values = shape as Record<string, unknown>;
  for (const [property, field] of message.entries) {
    const value = values[property];
    if (value !== undefined) field.write(writer, value);
  }
  for (const bytes of shape.unknown ?? []) writer.raw(bytes);
}

function skip(decoding: Decoding, number: number, wire: WireType, end: number): void {
  if (wire === WireType.LengthDelimited) decoding.reader.pos = readEnd(decoding, wire, end);
  else decoding.reader.skip(wire, number);
}

/** Where a length-delimited value ends. Not `reader.uint32()`, which silently drops the high bits of a length of 2^63. */
function readEnd({ reader }: Decoding, wire: WireType, end: number): number {
  expectWire(wire, WireType.LengthDelimited);
  const length = Number(reader.uint64());
  if (length > end - reader.pos)
    throw new MalformedMessage(`a length of ${length} bytes, ${end - reader.pos} are left`);
  return reader.pos + length;
}

function readBytes(decoding: Decoding, wire: WireType, end: number): Uint8Array {
  const stop = readEnd(decoding, wire, end);
  const bytes = decoding.bytes.subarray(decoding.reader.pos, stop);
  decoding.reader.pos = stop;
  return bytes;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readText(decoding: Decoding, wire: WireType, end: number): string {
  try {
    return utf8.decode(readBytes(decoding, wire, end));
  } catch (cause) {
    if (cause instanceof MalformedMessage || cause instanceof RangeError) throw cause;
    throw new MalformedMessage("a name or text is not UTF-8", { cause });
  }
}

function readInteger({ reader }: Decoding, wire: WireType): number {
  expectWire(wire, WireType.Varint);
  const value = Number(reader.int64());
  if (!Number.isSafeInteger(value)) throw new MalformedMessage(`a size or version of ${value}`);
  return value;
}

function expectWire(found: WireType, expected: WireType): void {
  if (found !== expected) throw new MalformedMessage(`wire type ${found} where ${expected} belongs`);
}

/** Text; absent and empty are the same, and neither is written. */
export const text = (number: number): Field<string> => ({
  number,
  initial: () => "",
  read: readText,
  write: (writer, value) => value !== "" && writer.tag(number, WireType.LengthDelimited).string(value),
});

/** Text whose absence means something else than its emptiness. */
export const optionalText = (number: number): Field<string | undefined> => ({
  number,
  initial: () => undefined,
  read: readText,
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.LengthDelimited).string(value),
});

export const texts = (number: number): Field<string[]> => ({
  number,
  initial: () => [],
  read: (decoding, wire, end, current) => (current.push(readText(decoding, wire, end)), current),
  write: (writer, values) => values.forEach((value) => writer.tag(number, WireType.LengthDelimited).string(value)),
});

/** Bytes as a view of the input: a tensor's data is never copied by reading. */
export const optionalBytes = (number: number): Field<Uint8Array | undefined> => ({
  number,
  initial: () => undefined,
  read: readBytes,
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.LengthDelimited).bytes(value),
});

export const bytesList = (number: number): Field<Uint8Array[]> => ({
  number,
  initial: () => [],
  read: (decoding, wire, end, current) => (current.push(readBytes(decoding, wire, end)), current),
  write: (writer, values) => values.forEach((value) => writer.tag(number, WireType.LengthDelimited).bytes(value)),
});

/** An integer that fits a number; 0 when absent, and not written then. */
export const integer = (number: number): Field<number> => ({
  number,
  initial: () => 0,
  read: readInteger,
  write: (writer, value) => value !== 0 && writer.tag(number, WireType.Varint).int64(value),
});

export const optionalInteger = (number: number): Field<number | undefined> => ({
  number,
  initial: () => undefined,
  read: readInteger,
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.Varint).int64(value),
});

/** A 64-bit attribute value: INT64_MAX is common there (the end of a Slice) and does not fit a number. */
export const optionalBigint = (number: number): Field<bigint | undefined> => ({
  number,
  initial: () => undefined,
  read: ({ reader }, wire) => (expectWire(wire, WireType.Varint), BigInt(reader.int64())),
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.Varint).int64(value),
});

export const optionalFloat = (number: number): Field<number | undefined> => ({
  number,
  initial: () => undefined,
  read: ({ reader }, wire) => (expectWire(wire, WireType.Bit32), reader.float()),
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.Bit32).float(value),
});

/** One nested message. Twice is refused: Protocol Buffers would merge them, and a check could see another graph than the runtime. */
export const optionalMessage = <Shape extends Unknown>(
  number: number,
  message: () => Message<Shape>,
): Field<Shape | undefined> => ({
  number,
  initial: () => undefined,
  read: (decoding, wire, end, current) => {
    if (current !== undefined) throw new MalformedMessage(`${message().name} given twice`);
    return decodeUntil(decoding, message(), readEnd(decoding, wire, end));
  },
  write: (writer, value) => {
    if (value === undefined) return;
    writer.tag(number, WireType.LengthDelimited).fork();
    writeMessage(writer, message(), value);
    writer.join();
  },
});

export const messages = <Shape extends Unknown>(number: number, message: () => Message<Shape>): Field<Shape[]> => ({
  number,
  initial: () => [],
  read: (decoding, wire, end, current) => {
    current.push(decodeUntil(decoding, message(), readEnd(decoding, wire, end)));
    return current;
  },
  write: (writer, values) => {
    for (const value of values) {
      writer.tag(number, WireType.LengthDelimited).fork();
      writeMessage(writer, message(), value);
      writer.join();
    }
  },
});

/** Integers that fit a number, a tag each as in every ONNX file; packed is read too. */
export const integers = (number: number): Field<number[]> => ({
  number,
  initial: () => [],
  read: (decoding, wire, end, current) => {
    if (wire !== WireType.LengthDelimited) return (current.push(readInteger(decoding, wire)), current);
    const stop = readEnd(decoding, wire, end);
    while (decoding.reader.pos < stop) current.push(readInteger(decoding, WireType.Varint));
    return current;
  },
  write: (writer, values) => values.forEach((value) => writer.tag(number, WireType.Varint).int64(value)),
});

type NumberList = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;
type Element<List extends NumberList> = List extends BigInt64Array | BigUint64Array ? bigint : number;

interface NumberListForm<List extends NumberList> {
  readonly create: (length: number) => List;
  readonly wire: WireType;
  readonly read: (reader: BinaryReader) => Element<List>;
  readonly write: (writer: BinaryWriter, element: Element<List>) => void;
}

/** Numbers in a typed array of exactly the size the wire holds, counted before anything is allocated. */
const numberList =
  <List extends NumberList>(form: NumberListForm<List>) =>
  (number: number, packed: boolean): Field<List> => {
    const pieces = new WeakMap<List, number>();
    return {
      number,
      initial: () => form.create(0),
      read: (decoding, wire, end, current) => {
        const { reader } = decoding;
        const isPacked = wire === WireType.LengthDelimited;
        const stop = isPacked ? readEnd(decoding, wire, end) : end;
        if (!isPacked) expectWire(wire, form.wire);
        const count = isPacked ? countPacked(decoding, form.wire, stop) : countRun(reader, number, form.wire, stop);
        const list = form.create(current.length + count);
        list.set(current as never);
        for (let index = current.length; index < list.length; index++) {
          if (!isPacked && index > current.length) reader.tag();
          list[index] = form.read(reader);
        }
        const piece = (pieces.get(current) ?? 0) + 1;
        if (piece > MAXIMUM_PIECES) throw new MalformedMessage(`a list torn in more than ${MAXIMUM_PIECES} pieces`);
        pieces.set(list, piece);
        return list;
      },
      write: (writer, list) => {
        if (list.length === 0) return;
        if (packed) writer.tag(number, WireType.LengthDelimited).fork();
        for (const element of list as Iterable<Element<List>>) {
          if (!packed) writer.tag(number, form.wire);
          form.write(writer, element);
        }
        if (packed) writer.join();
      },
    };
  };

function countPacked({ bytes, reader }: Decoding, wire: WireType, stop: number): number {
  const length = stop - reader.pos;
  if (wire !== WireType.Varint) {
    const size = wire === WireType.Bit32 ? 4 : 8;
    if (length % size !== 0) throw new MalformedMessage(`${length} bytes of ${size}-byte numbers`);
    return length / size;
  }
  let count = 0;
  for (let at = reader.pos; at < stop; at++) if (bytes[at]! < 0x80) count++;
  if (length > 0 && bytes[stop - 1]! >= 0x80) throw new MalformedMessage("a packed list ends within a number");
  return count;
}

/** How many elements with this tag follow each other, the reader standing behind the first tag; it is put back there. */
function countRun(reader: BinaryReader, number: number, wire: WireType, stop: number): number {
  const start = reader.pos;
  let count = 0;
  for (let more = true; more;) {
    reader.skip(wire);
    count++;
    const behind = reader.pos;
    more = behind < stop;
    if (more) {
      const [nextNumber, nextWire] = reader.tag();
      more = nextNumber === number && nextWire === wire && reader.pos < stop;
    }
  }
  reader.pos = start;
  return count;
}

export const floats = numberList<Float32Array>({
  create: (length) => new Float32Array(length),
  wire: WireType.Bit32,
  read: (reader) => reader.float(),
  write: (writer, element) => writer.float(element),
});

export const doubles = numberList<Float64Array>({
  create: (length) => new Float64Array(length),
  wire: WireType.Bit64,
  read: (reader) => reader.double(),
  write: (writer, element) => writer.double(element),
});

export const int32s = numberList<Int32Array>({
  create: (length) => new Int32Array(length),
  wire: WireType.Varint,
  read: (reader) => reader.int32(),
  write: (writer, element) => writer.int32(element),
});

export const int64s = numberList<BigInt64Array>({
  create: (length) => new BigInt64Array(length),
  wire: WireType.Varint,
  read: (reader) => BigInt(reader.int64()),
  write: (writer, element) => writer.int64(element),
});

export const uint64s = numberList<BigUint64Array>({
  create: (length) => new BigUint64Array(length),
  wire: WireType.Varint,
  read: (reader) => BigInt(reader.uint64()),
  write: (writer, element) => writer.uint64(element),
});
