/** Repeated numbers as typed arrays. */
import { WireType, type BinaryReader, type BinaryWriter } from "@bufbuild/protobuf/wire";
import { expectWire, MalformedMessage, readEnd, type Decoding, type Field } from "./wire.ts";

/** Writers keep a repeated field together; a field torn in many pieces would make joining them quadratic. */
const MAXIMUM_PIECES = 64;

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
    // One for all messages: an empty array of its own would take more memory than the message on the wire.
    const empty = form.create(0);
    return {
      number,
      initial: () => empty,
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
