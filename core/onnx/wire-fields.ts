/** Kinds of fields: how text, bytes, integers and messages are kept in memory and on the wire. */
import { WireType } from "@bufbuild/protobuf/wire";
import {
  charge,
  decodeUntil,
  expectWire,
  MalformedMessage,
  readEnd,
  writeMessage,
  type Decoding,
  type Field,
  type Message,
  type Unknown,
  VIEW_BYTES,
} from "./wire.ts";

function readBytes(decoding: Decoding, wire: WireType, end: number): Uint8Array {
  const stop = readEnd(decoding, wire, end);
  const bytes = decoding.bytes.subarray(decoding.reader.pos, stop);
  decoding.reader.pos = stop;
  return bytes;
}

/** Bytes that stay a view of the file. */
function keepBytes(decoding: Decoding, wire: WireType, end: number): Uint8Array {
  charge(decoding, VIEW_BYTES);
  return readBytes(decoding, wire, end);
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

/** Text that is written though it is empty. */
export const writtenText = (number: number): Field<string> => ({
  ...text(number),
  write: (writer, value) => writer.tag(number, WireType.LengthDelimited).string(value),
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
  read: keepBytes,
  write: (writer, value) => value !== undefined && writer.tag(number, WireType.LengthDelimited).bytes(value),
});

export const bytesList = (number: number): Field<Uint8Array[]> => ({
  number,
  initial: () => [],
  read: (decoding, wire, end, current) => (current.push(keepBytes(decoding, wire, end)), current),
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
