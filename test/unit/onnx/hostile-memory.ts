/** Parses hostile files in a process of its own, whose memory is its own: `node hostile-memory.ts`; one JSON line a file. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { isFailure } from "../../../contracts/failures.ts";
import { parseModel } from "../../../core/onnx/model.ts";

const FILE_BYTES = 2_000_000;

const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const within = (path: readonly number[], inner: Uint8Array): Uint8Array =>
  path.reduceRight<Uint8Array>(
    (bytes, number) => message((writer) => writer.tag(number, WireType.LengthDelimited).bytes(bytes)),
    inner,
  );
const repeated = (piece: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(FILE_BYTES - (FILE_BYTES % piece.length));
  for (let at = 0; at < bytes.length; at++) bytes[at] = piece[at % piece.length]!;
  return bytes;
};
const tag = (number: number) => (number << 3) | WireType.LengthDelimited;

/** What stands two million bytes long where, by name: always the shortest piece that makes the parser keep something. */
const FILES: Readonly<Record<string, Uint8Array>> = {
  "empty nodes": within([7], repeated([tag(1), 0])),
  "empty constants": within([7], repeated([tag(5), 0])),
  "empty attributes": within([7, 1], repeated([tag(5), 0])),
  "empty inputs": within([7], repeated([tag(11), 0])),
  "empty axes": within([7, 11, 2, 1, 2], repeated([tag(1), 0])),
  "empty strings": within([7, 5], repeated([tag(6), 0])),
  "names of nothing": within([7, 1], repeated([tag(1), 0])),
  "fields nobody knows": repeated([99 & 0x7f, 0].map((byte, at) => (at === 0 ? 0x78 : byte))),
  "axes of a shape": within([7, 5], repeated([0x08, 1])),
  "numbers of an attribute": within([7, 1, 5], repeated([0x40, 1])),
  "packed numbers": within([7, 5, 7], repeated([1])),
};

for (const [name, bytes] of Object.entries(FILES)) {
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let outcome = "parsed";
  try {
    parseModel(bytes, name);
  } catch (thrown) {
    outcome = isFailure(thrown) ? thrown.code : String(thrown);
  }
  const multiple = (process.memoryUsage().rss - before) / bytes.length;
  process.stdout.write(`${JSON.stringify({ name, outcome, multiple })}\n`);
}
