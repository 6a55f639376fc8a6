import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";

const storage = new Uint8Array(readFileSync(new URL("../../fixtures/onnx/storage.onnx", import.meta.url)));

/** "parsed", or the code of the failure; anything else escapes and fails the test. */
function outcome(bytes: Uint8Array): string {
  try {
    inspectModel(bytes, "m.onnx");
    serializeModel(parseModel(bytes, "m.onnx"));
    return "parsed";
  } catch (thrown) {
    if (!isFailure(thrown)) throw thrown;
    return thrown.code;
  }
}

const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const nested = (number: number, inner: Uint8Array) =>
  message((writer) => writer.tag(number, WireType.LengthDelimited).bytes(inner));
const modelOf = (graph: Uint8Array): Uint8Array =>
  message((writer) => {
    writer.tag(1, WireType.Varint).int64(8);
    writer.raw(nested(7, graph)).raw(nested(8, Uint8Array.of(0x10, 17)));
  });

describe("hostile bytes", () => {
  it("are no ONNX model wherever the file is cut", () => {
    const parsed: number[] = [];
    for (let length = 0; length < storage.length; length++) {
      if (outcome(storage.subarray(0, length)) === "parsed") parsed.push(length);
    }
    // The last field is the one entry of metadata, eight bytes: cut right before it, the rest is a whole model.
    expect(parsed).toEqual([storage.length - 8]);
  });

  it("give a failure or a model when bytes are flipped", () => {
    const edit = fc.record({ at: fc.nat(storage.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
        const bytes = storage.slice();
        for (const { at, value } of edits) bytes[at] = value;
        expect(["parsed", "MODEL_NOT_ONNX", "MODEL_REFUSED"]).toContain(outcome(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it("give a failure or a model when they are noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(["MODEL_NOT_ONNX", "MODEL_REFUSED"]).toContain(outcome(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["in a graph", (length: bigint) => message((w) => void w.tag(7, WireType.LengthDelimited).uint64(length))],
    [
      "in a field nobody knows",
      (length: bigint) => message((w) => void w.tag(99, WireType.LengthDelimited).uint64(length)),
    ],
    ["in a name", (length: bigint) => modelOf(message((w) => void w.tag(2, WireType.LengthDelimited).uint64(length)))],
  ])("are refused for a length of 2^63, 2^32 and 2^31 %s", (_, make) => {
    for (const length of [2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 2n ** 31n]) {
      expect(() => parseModel(make(length), "m.onnx")).toThrow(/a length of \d+ bytes, 0 are left/);
    }
  });

  it("are refused for nesting without end", () => {
    let graph = new Uint8Array();
    for (let level = 0; level < 2000; level++)
      graph = nested(1, nested(5, nested(6, graph))) as Uint8Array<ArrayBuffer>;
    expect(() => parseModel(modelOf(graph), "m.onnx")).toThrow("nested deeper than 64");
  });

  it("are refused for groups nested without end", () => {
    const bytes = new Uint8Array(100_000).fill((99 << 3) | WireType.StartGroup);
    expect(outcome(bytes)).toBe("MODEL_NOT_ONNX");
  });

  it("are refused for shapes that are negative or announce more than the file holds", () => {
    const tensor = (...dims: number[]) =>
      modelOf(
        nested(
          5,
          message((w) => {
            for (const dim of dims) w.tag(1, WireType.Varint).int64(dim);
            w.tag(2, WireType.Varint).int32(1).tag(9, WireType.LengthDelimited).bytes(new Uint8Array(8));
          }),
        ),
      );
    expect(() => parseModel(tensor(2), "m.onnx")).not.toThrow();
    expect(() => parseModel(tensor(-2), "m.onnx")).toThrow("the shape [-2]");
    expect(() => parseModel(tensor(-1, -2), "m.onnx")).toThrow("the shape [-1, -2]");
    expect(() => parseModel(tensor(2 ** 40), "m.onnx")).toThrow("has 8 bytes, its shape takes 4398046511104");
    expect(() => parseModel(tensor(2 ** 40, 2 ** 40), "m.onnx")).toThrow("announces");
  });

  it("are refused when a graph is given twice, since a runtime would merge the two", () => {
    const graph = nested(7, new Uint8Array());
    const model = modelOf(new Uint8Array());
    expect(() => parseModel(Buffer.concat([model, graph]), "m.onnx")).toThrow("GraphProto given twice");
  });

  it("are refused for millions of empty nodes instead of filling the memory", () => {
    const bytes = new Uint8Array(2_500_000);
    for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x0a;
    expect(() => parseModel(modelOf(bytes), "m.onnx")).toThrow("parts that take 100 times its size in memory");
  });

  it("are refused for a list torn into pieces", () => {
    const torn = message((w) => {
      for (let piece = 0; piece < 100; piece++) w.raw(nested(8, Uint8Array.of(1))).raw(nested(7, new Uint8Array(4)));
    });
    expect(() => parseModel(modelOf(nested(1, nested(5, torn))), "m.onnx")).toThrow("torn in more than 64 pieces");
  });

  it.each([
    ["an empty file", []],
    ["a Python pickle", [0x80, 0x02, 0x63]],
    ["a Python pickle", [0x80, 0x05, 0x95]],
    ["a zip archive, as torch.save writes them", [0x50, 0x4b, 0x03, 0x04, 0x00]],
    ["a gzip archive", [0x1f, 0x8b, 0x08]],
    ["an HDF5 file", [0x89, 0x48, 0x44, 0x46]],
  ])("are named for what they are: %s", (found, bytes) => {
    expect(() => parseModel(Uint8Array.from(bytes), "model.onnx")).toThrow(`model.onnx: not an ONNX model (${found}`);
  });
});

describe("memory beyond a hostile file", () => {
  const program = fileURLToPath(new URL("hostile-memory.ts", import.meta.url));

  it("is at most a hundred times the file, whatever millions of little things it is made of", () => {
    // Two million bytes each, in a process with 240 MB: one that took more would end with its process.
    const flags = ["--expose-gc", "--max-old-space-size=240", "--import", "tsx"];
    const lines = execFileSync(process.execPath, [...flags, program], { encoding: "utf8" })
      .trim()
      .split("\n");
    const files = lines.map((line) => JSON.parse(line) as { name: string; outcome: string; multiple: number });
    expect(files).toHaveLength(11);
    for (const { name, outcome, multiple } of files) {
      expect([name, outcome]).toEqual([name, "MODEL_NOT_ONNX"]);
      expect(multiple).toBeLessThan(130);
    }
  }, 60_000);
});
