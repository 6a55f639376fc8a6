import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { PartsWriter } from "../../../core/onnx/parts-writer.ts";

/** Something to write: a number, some bytes, or a message of such things. */
type Piece = { readonly number: number } | { readonly bytes: number } | { readonly message: readonly Piece[] };

const pieces = fc.letrec<{ piece: Piece }>((tie) => ({
  piece: fc.oneof(
    { depthSize: "small" },
    fc.record({ number: fc.nat() }),
    fc.record({ bytes: fc.oneof(fc.nat(300), fc.integer({ min: 4000, max: 20_000 })) }),
    fc.record({ message: fc.array(tie("piece"), { maxLength: 5 }) }),
  ),
})).piece;

function write(writer: BinaryWriter, piece: Piece): void {
  if ("number" in piece) writer.uint32(piece.number).string(`n${piece.number}`);
  else if ("bytes" in piece) writer.bytes(Uint8Array.from({ length: piece.bytes }, (_, at) => at * 7));
  else {
    writer.tag(3, WireType.LengthDelimited).fork();
    for (const inner of piece.message) write(writer, inner);
    writer.join();
  }
}

it("writes what BinaryWriter does, whatever is large and however deep it is nested", () => {
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (list) => {
      const [ours, theirs] = [new PartsWriter(), new BinaryWriter()];
      for (const piece of list) for (const writer of [ours, theirs]) write(writer, piece);
      expect(Buffer.from(ours.finish()).equals(theirs.finish())).toBe(true);
    }),
  );
});

it("keeps no copy of large data before the end, and begins anew after it", () => {
  const large = new Uint8Array(10_000);
  const writer = new PartsWriter();
  writer.fork().bytes(large).join();
  large[9_999] = 7;
  expect(writer.finish().at(-1)).toBe(7);
  expect(writer.uint32(5).finish()).toEqual(Uint8Array.of(5));
  expect(() => writer.join()).toThrow("joined without a fork");
});
