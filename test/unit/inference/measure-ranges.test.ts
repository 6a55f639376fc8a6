import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drawRows } from "../../../adapters/inference/measure-sample.ts";
import { measureRanges } from "../../../adapters/inference/measure-ranges.ts";
import type { ColumnBatch } from "../../../contracts/data.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { valuesToCalibrate } from "../../../core/quantization/quantize.ts";

const fixtures = new URL("../../fixtures/onnx/", import.meta.url);
const bytes = new Uint8Array(readFileSync(new URL("static.onnx", fixtures)));
const fixture = JSON.parse(readFileSync(new URL("static.json", fixtures), "utf8")) as {
  readonly ranges: Record<string, [number, number]>;
  readonly images: string;
};
const images = Float64Array.from(new Float32Array(Uint8Array.from(Buffer.from(fixture.images, "base64")).buffer));
const shape = [1, 12, 12];
const signature = modelSignatureSchema.parse({
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, ...shape], features: [{ kind: "tensor", column: "image" }] }],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});
const batchOf = (values: Float64Array): ColumnBatch => ({
  rowCount: values.length / 144,
  columns: new Map([["image", { kind: "tensor", values, rowShape: shape }]]),
});
const request = {
  model: { bytes, signature },
  values: valuesToCalibrate(bytes, "static-int8", "m"),
  rows: [batchOf(images.subarray(0, 70 * 144)), batchOf(images.subarray(70 * 144))],
  where: "images.npz",
};

describe("ranges inside a model", () => {
  it("are those of onnxruntime.quantization's MinMax calibrator, whatever the batches", async () => {
    const ranges = await measureRanges({ ...request, settings: { method: "min-max", percentile: 99 } });
    expect([...ranges.keys()]).toEqual(request.values);
    for (const [value, { low, high }] of ranges) {
      const [theirLow, theirHigh] = fixture.ranges[value]!;
      expect(low).toBeCloseTo(theirLow, 4);
      expect(high).toBeCloseTo(theirHigh, 4);
    }
  });

  it("by percentile lie within those, and the input's hold the share of its values asked for", async () => {
    const ranges = await measureRanges({ ...request, settings: { method: "percentile", percentile: 99 } });
    for (const [value, { low, high }] of ranges) {
      const [least, most] = fixture.ranges[value]!;
      expect(low).toBeGreaterThanOrEqual(least - 1e-4);
      expect(high).toBeLessThanOrEqual(most + 1e-4);
    }
    const { low, high } = ranges.get("image")!;
    const inside = images.filter((value) => value >= low && value <= high).length / images.length;
    expect(inside).toBeGreaterThanOrEqual(0.99);
    expect(inside).toBeLessThan(0.995);
  });

  it("by least entropy lie within those of min-max and cut an outlier off", async () => {
    const spiked = images.slice();
    spiked[5] = 500;
    const ranges = await measureRanges({
      ...request,
      rows: [batchOf(spiked)],
      settings: { method: "entropy", percentile: 99 },
    });
    const { low, high } = ranges.get("image")!;
    expect(high).toBeLessThan(250);
    expect(low).toBeGreaterThanOrEqual(Math.min(...images));
  });

  it("are refused when a value is not finite, with its name", async () => {
    const broken = images.slice();
    broken[5] = Number.POSITIVE_INFINITY;
    const settings = { method: "min-max", percentile: 99 } as const;
    await expect(measureRanges({ ...request, rows: [batchOf(broken)], settings })).rejects.toMatchObject({
      code: "INFERENCE_FAILED",
      message: expect.stringContaining('its value "image" runs from') as string,
    });
  });
});

describe("rows drawn for calibration", () => {
  async function* batches(sizes: readonly number[]): AsyncGenerator<ColumnBatch> {
    let next = 0;
    for (const rowCount of sizes) {
      const values = Float64Array.from({ length: rowCount }, () => next++);
      yield await Promise.resolve({ rowCount, columns: new Map([["id", { kind: "number" as const, values }]]) });
    }
  }
  const draw = async (sizes: readonly number[], rowCount: number, seed: number) => {
    const drawn = await drawRows(batches(sizes), { rowCount, seed });
    return drawn.flatMap(({ columns }) => {
      const column = columns.get("id")!;
      return column.kind === "number" ? Array.from(column.values) : [];
    });
  };

  it("are exactly as many as asked for, in order, each once, the same for the same seed only", async () => {
    const sizes = Array.from({ length: 40 }, () => 250);
    const first = await draw(sizes, 500, 1);
    expect(first).toHaveLength(500);
    expect(first).toEqual([...new Set(first)].toSorted((one, other) => one - other));
    expect(await draw(sizes, 500, 1)).toEqual(first);
    expect(await draw(sizes, 500, 2)).not.toEqual(first);
  });

  it("are all rows when there are fewer, and none of none", async () => {
    expect(await draw([3, 4], 100, 1)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(await draw([], 100, 1)).toEqual([]);
  });

  it("are as likely from the end of the data as from its beginning", async () => {
    const sizes = Array.from({ length: 20 }, () => 100);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let seed = 1; seed <= 100; seed++)
      for (const id of await draw(sizes, 50, seed)) tenths[Math.floor(id / 200)]! += 1;
    // 5000 draws, 500 a tenth: a deviation of 21, so 5 of them is never seen from a fair draw.
    for (const count of tenths) expect(Math.abs(count - 500)).toBeLessThan(110);
  });
});
