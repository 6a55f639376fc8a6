import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { halfToNumber, numberToBfloat16, roundHalfToEven } from "../../../core/onnx/half.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { tensorValues } from "../../../core/onnx/tensor.ts";
import { runModel } from "./run-model.ts";

const fixtures = new URL("../../fixtures/onnx/", import.meta.url);
const storage = new Uint8Array(readFileSync(new URL("storage.onnx", fixtures)));
const mlp = new Uint8Array(readFileSync(new URL("mlp.onnx", fixtures)));
const values = JSON.parse(readFileSync(new URL("storage.json", fixtures), "utf8")) as Record<
  string,
  string | string[]
> & {
  readonly bfloat16: { readonly numbers: string; readonly bits: string };
};

const base64 = (array: NodeJS.ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

describe("reading and writing models of the Python onnx package", () => {
  it.each([
    ["every storage form, a subgraph and fields we do not know", storage],
    ["a network", mlp],
  ])("gives the same bytes back: %s", (_, bytes) => {
    expect(Buffer.from(serializeModel(parseModel(bytes, "fixture"))).equals(bytes)).toBe(true);
  });

  it("keeps fields it does not know through an edit", () => {
    const model = parseModel(storage, "fixture");
    model.graph!.name = "another";
    const again = parseModel(serializeModel(model), "again");
    expect(again.graph!.name).toBe("another");
    expect(again.graph!.unknown).toEqual(model.graph!.unknown);
    expect(again.graph!.unknown).toHaveLength(1);
    expect(again.graph!.nodes.at(-1)!.unknown).toHaveLength(1);
  });

  const tensors = parseModel(storage, "fixture").graph!.initializers;
  it.each(tensors.map((tensor) => [tensor.name, tensor] as const))(
    "reads the elements of %s as NumPy does",
    (name, tensor) => {
      const found = tensorValues(tensor);
      const readable = Array.isArray(found) ? found : base64(found);
      expect(readable).toEqual(values[name]);
    },
  );

  it("covers every tensor of the fixture", () => {
    expect(tensors.map(({ name }) => name).toSorted()).toEqual(
      Object.keys(values)
        .filter((name) => name !== "bfloat16")
        .toSorted(),
    );
  });

  it("reads tensor data as a view of the file where it is aligned, and the same elements where it is not", () => {
    const elements: Float32Array[] = [];
    let viewCount = 0;
    for (let offset = 0; offset < 4; offset++) {
      const file = new Uint8Array(new ArrayBuffer(mlp.length + 4), offset, mlp.length);
      file.set(mlp);
      const tensor = parseModel(file, "fixture").graph!.initializers[0]!;
      expect(tensor.rawData!.buffer).toBe(file.buffer);
      const found = tensorValues(tensor) as Float32Array;
      if (found.buffer === file.buffer) viewCount++;
      elements.push(found);
    }
    expect(viewCount).toBe(1);
    for (const found of elements) expect(found).toEqual(elements[0]);
  });

  it("writes what ONNX Runtime runs: a subgraph, and a Slice that ends at INT64_MAX", async () => {
    const bytes = serializeModel(parseModel(storage, "fixture"));
    const x = { dims: [2, 2], data: Float32Array.of(-4, 1, 0, 8) };
    const run = (condition: number) => runModel(bytes, { x, condition: { dims: [1], data: Uint8Array.of(condition) } });
    expect(await run(1)).toEqual([0, 2, 1, 9]);
    expect(await run(0)).toEqual([1, 3, 2, 10]);
  });
});

describe("numbers", () => {
  it("rounds to bfloat16 as ml_dtypes does: ties, carries, the largest and the smallest ones", () => {
    const { numbers, bits } = values.bfloat16;
    const floats = new Float32Array(Uint8Array.from(Buffer.from(numbers, "base64")).buffer);
    expect(base64(Uint16Array.from(floats, numberToBfloat16))).toBe(bits);
  });

  it("rounds halves to the even neighbour and everything else to the nearest", () => {
    const cases = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994, 2.4, -2.6, 1e300, Infinity];
    expect(cases.map(roundHalfToEven)).toEqual([0, 2, 2, -0, -2, -2, 0, 2, -3, 1e300, Infinity].map((x) => x + 0));
    expect(roundHalfToEven(NaN)).toBeNaN();
  });

  it("never rounds further than half a step", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (value) => {
        const rounded = roundHalfToEven(value);
        expect(Number.isInteger(rounded) && Math.abs(rounded - value) <= 0.5).toBe(true);
      }),
    );
  });

  it("reads the extremes of half precision", () => {
    expect([0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0xfc00].map(halfToNumber)).toEqual([
      2 ** -24,
      1023 * 2 ** -24,
      2 ** -14,
      1,
      65504,
      -Infinity,
    ]);
    expect(halfToNumber(0x7e00)).toBeNaN();
  });
});
