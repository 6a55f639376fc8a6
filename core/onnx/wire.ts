/**
 * The Protocol Buffers wire format, driven by one table per message. Generated protobuf-es code was the other way: it is
 * ten times as long, knows presence and bigint only, and has no bound on what hostile bytes may allocate. `test/unit/onnx/fields.test.ts`
 * holds every table against what ONNX's own generated code writes.
 */
import { BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { PartsWriter } from "./parts-writer.ts";

/** The bytes are not the message they should be. Only `parseModel` sees it, and names the file. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
}

/** ONNX nests graph, node, attribute: three levels a subgraph. Deeper than any exporter, far from the stack's end. */
const MAXIMUM_DEPTH = 64;
/**
 * Memory beyond the file is at most this many times its size and a megabyte: an empty message takes two bytes on the wire and a hundred
 * times that in memory. Models of many small parts take up to some 40 times their size.
 */
const MAXIMUM_MULTIPLE = 100;
const FREE_BYTES = 1_000_000;
/** What V8 keeps for a message, and for a view of some bytes, contents aside. */
const MESSAGE_BYTES = 320;
export const VIEW_BYTES = 160;

export interface Decoding {
  readonly bytes: Uint8Array;
  readonly reader: BinaryReader;
  depth: number;
  /** Memory that may still be taken. */
  bytesLeft: number;
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
  return decodeUntil(
    { bytes, reader: new BinaryReader(bytes), depth: 0, bytesLeft: FREE_BYTES + MAXIMUM_MULTIPLE * bytes.length },
    message,
    bytes.length,
  );
}

export function encode<Shape extends Unknown>(message: Message<Shape>, shape: Shape): Uint8Array {
  const writer = new PartsWriter();
  writeMessage(writer, message, shape);
  return writer.finish();
}

export function decodeUntil<Shape extends Unknown>(decoding: Decoding, message: Message<Shape>, end: number): Shape {
  const { reader } = decoding;
  if (++decoding.depth > MAXIMUM_DEPTH)
    throw new MalformedMessage(`${message.name} nested deeper than ${MAXIMUM_DEPTH}`);
  charge(decoding, MESSAGE_BYTES);
  const shape = emptyMessage(message);
  const values = shape as Record<string, unknown>;
  while (reader.pos < end) {
    const start = reader.pos;
    const [number, wire] = reader.tag();
    const entry = message.byNumber.get(number);
    if (entry === undefined) {
      skip(decoding, number, wire, end);
      charge(decoding, VIEW_BYTES);
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

export function writeMessage<Shape extends Unknown>(writer: BinaryWriter, message: Message<Shape>, shape: Shape): void {
  const values = shape as Record<string, unknown>;
  for (const [property, field] of message.entries) {
    const value = values[property];
    if (value !== undefined) field.write(writer, value);
  }
  for (const bytes of shape.unknown ?? []) writer.raw(bytes);
}

/** Counts memory against what the file may take. */
export function charge(decoding: Decoding, bytes: number): void {
  decoding.bytesLeft -= bytes;
  if (decoding.bytesLeft < 0)
    throw new MalformedMessage(`parts that take ${MAXIMUM_MULTIPLE} times its size in memory`);
}

function skip(decoding: Decoding, number: number, wire: WireType, end: number): void {
  if (wire === WireType.LengthDelimited) decoding.reader.pos = readEnd(decoding, wire, end);
  else decoding.reader.skip(wire, number);
}

/** Where a length-delimited value ends. Not `reader.uint32()`, which silently drops the high bits of a length of 2^63. */
export function readEnd({ reader }: Decoding, wire: WireType, end: number): number {
  expectWire(wire, WireType.LengthDelimited);
  const length = Number(reader.uint64());
  if (length > end - reader.pos)
    throw new MalformedMessage(`a length of ${length} bytes, ${end - reader.pos} are left`);
  return reader.pos + length;
}

export function expectWire(found: WireType, expected: WireType): void {
  if (found !== expected) throw new MalformedMessage(`wire type ${found} where ${expected} belongs`);
}
