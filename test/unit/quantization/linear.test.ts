import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  channelScales,
  channelsOf,
  quantizeChannels,
  quantizeTable,
  transposeInner,
} from "../../../core/quantization/linear.ts";

interface Case {
  readonly values: string;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly quantized: string;
}
const file = new URL("../../fixtures/onnx/linear.json", import.meta.url);
const { tables, columns } = JSON.parse(readFileSync(file, "utf8")) as {
  readonly tables: Case[];
  readonly columns: Case[];
};
const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
const floats = (base64: string) => new Float32Array(bytes(base64).buffer);

describe("linear quantization", () => {
  it("of a table equals onnxruntime's where scale, zero point or value hang on the last bit", () => {
    const found = tables.map(({ values }) => quantizeTable(floats(values)));
    expect(found.map(({ scale }) => scale)).toEqual(tables.map(({ scale }) => scale));
    expect(found.map(({ zeroPoint }) => zeroPoint)).toEqual(tables.map(({ zeroPoint }) => zeroPoint));
    expect(found.map(({ values }) => values)).toEqual(tables.map(({ quantized }) => bytes(quantized)));
  });

  it("of a column equals onnxruntime's where a quotient hangs on the last bit", () => {
    const found = columns.map(({ values }) => {
      const weights = floats(values);
      const layout = channelsOf([weights.length, 1], 1, 2);
      const scales = channelScales(weights, layout, { reduceRange: false });
      return { scales, values: quantizeChannels(weights, layout, scales) };
    });
    expect(found.map(({ scales }) => scales[0])).toEqual(columns.map(({ scale }) => scale));
    expect(found.map(({ values }) => new Uint8Array(values.buffer))).toEqual(
      columns.map(({ quantized }) => bytes(quantized)),
    );
    expect(columns.every(({ zeroPoint }) => zeroPoint === 0)).toBe(true);
  });

  it("of a transposed matrix gives the columns of the matrix itself", () => {
    const quantize = (weights: Float32Array, dims: number[], axis: number) => {
      const layout = channelsOf(dims, axis, axis + 1);
      return quantizeChannels(weights, layout, channelScales(weights, layout, { reduceRange: false }));
    };
    const straight = quantize(Float32Array.of(1, -2, 3, 4, 5, -60), [2, 3], 1);
    expect([...straight]).toEqual([32, -51, 6, 127, 127, -127]);
    const transposed = quantize(Float32Array.of(1, 4, -2, 5, 3, -60), [3, 2], 0);
    expect(transposeInner(transposed, 1, 3, 2)).toEqual(straight);
  });
});
