import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { saveOptimized } from "../../../adapters/inference/session.ts";
import type { QuantizationPassName } from "../../../contracts/names.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { findUnfused } from "../../../core/quantization/fused.ts";
import { judgeEvidence, type Evidence } from "../../../core/quantization/judge-evidence.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { measureSaturation } from "../../../core/quantization/saturation.ts";
import { normals } from "./random-weights.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../fixtures/onnx/${name}`, import.meta.url)));

function quantize(bytes: Uint8Array, pass: QuantizationPassName, options: { reduceRange?: boolean } = {}) {
  const values = valuesToCalibrate(bytes, pass, "m", options);
  return quantizeModel(bytes, pass, "m", {
    ...options,
    ranges: new Map(values.map((value) => [value, { low: -3, high: 3 }])),
  }).model;
}

/** One MatMul whose 64 x 40 weights are given. */
function product(weights: Float32Array) {
  const graph = buildGraph("product");
  const x = graph.input("x", "FP32", ["batch", 64]);
  graph.add("MatMul", [x, graph.floats("w", [64, 40], weights)], {}, { output: "y", name: "dense" });
  graph.output("y", "FP32", ["batch", 40]);
  return serializeModel(graph.model());
}

describe("saturation", () => {
  it("counts the pairs of neighbouring weights of a column whose sum can pass 16 bits", () => {
    const bytes = product(normals(3, 64 * 40));
    const model = parseModel(quantize(bytes, "dynamic-int8"), "m");
    const raw = model.graph!.initializers.find(({ name }) => name === "w_quantized")!.rawData!;
    const integers = new Int8Array(raw.slice().buffer);
    let overflows = 0;
    for (let row = 0; row < 64; row += 2) {
      for (let column = 0; column < 40; column++) {
        const pair = [integers[row * 40 + column]!, integers[(row + 1) * 40 + column]!];
        const sums = [0, 255].flatMap((a) => [0, 255].map((b) => Math.abs(a * pair[0]! + b * pair[1]!)));
        if (Math.max(...sums) > 32_767) overflows++;
      }
    }
    const found = measureSaturation(model);
    expect(found.pairCount).toBe(32 * 40);
    expect(found.overflowShare).toBeCloseTo(overflows / (32 * 40), 12);
    expect(overflows).toBeGreaterThan(5);
  });

  it.each<[string, QuantizationPassName]>([
    ["joined.onnx", "static-int8"],
    ["lstm.onnx", "dynamic-int8"],
    ["mlp.onnx", "dynamic-int8"],
  ])("of %s by %s is possible, and not with reduceRange", (name, pass) => {
    expect(measureSaturation(parseModel(quantize(fixture(name), pass), "m")).overflowShare).toBeGreaterThan(0);
    const reduced = measureSaturation(parseModel(quantize(fixture(name), pass, { reduceRange: true }), "m"));
    expect(reduced.overflowShare).toBe(0);
    expect(reduced.pairCount).toBeGreaterThan(100);
  });

  it("is none for weights that are only stored in 8 bits", () => {
    expect(measureSaturation(parseModel(quantize(fixture("mlp.onnx"), "store-int8"), "m")).pairCount).toBe(0);
  });
});

describe("kernels as ONNX Runtime executes them", () => {
  async function executed(bytes: Uint8Array) {
    const folder = await mkdtemp(join(tmpdir(), "modelwright-executed-"));
    try {
      const path = join(folder, "m.onnx");
      await saveOptimized(bytes, { path, level: "extended" });
      return findUnfused(parseModel(new Uint8Array(await readFile(path)), "m"));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it.each<[string, QuantizationPassName, number]>([
    ["mlp.onnx", "dynamic-int8", 4],
    ["lstm.onnx", "dynamic-int8", 3],
    ["mlp.onnx", "weight-only-int4", 4],
    ["static.onnx", "static-int8", 8],
    ["mlp.onnx", "store-int8", 0],
    ["mlp.onnx", "store-f16", 0],
  ])("of %s by %s are all fused: %i in integers", async (name, pass, integerCount) => {
    expect(await executed(quantize(fixture(name), pass))).toEqual({ integerCount, unfused: [] });
  });

  it("name the ConvTranspose that has no integer kernel on a CPU", async () => {
    const found = await executed(quantize(fixture("joined.onnx"), "static-int8"));
    expect(found.unfused).toEqual(["transposed"]);
    expect(found.integerCount).toBe(5);
  });
});

describe("the gates of a candidate", () => {
  const good: Evidence = {
    parity: { rowCount: 300, maximumDifference: 0, meanDifference: 0, signalToNoiseDb: 90, sameDecisionShare: 1 },
    invariance: { byDesign: true, rowCount: 64, maximumDifference: 1e-7 },
    saturation: { pairCount: 100, overflowShare: 0, largestSum: 32_640, onData: null },
    fused: { integerCount: 3, unfused: [] },
    isInteger: true,
    maximumDisagreementShare: 0.01,
    minimumSignalToNoiseDb: 15,
  };
  const verdicts = (changed: Partial<Evidence>) =>
    Object.fromEntries(judgeEvidence({ ...good, ...changed }).map(({ name, verdict }) => [name, verdict]));

  const reasonOf = (saturation: Evidence["saturation"]) =>
    judgeEvidence({ ...good, saturation }).find(({ name }) => name === "saturation")!.reason;

  it("all pass where nothing is against it", () => {
    expect(new Set(Object.values(verdicts({})))).toEqual(new Set(["pass"]));
  });

  it("fail when the optimizer changes more than rounding of a float model, or decisions of any", () => {
    const parity = { ...good.parity, signalToNoiseDb: 40 };
    expect(verdicts({ parity, isInteger: false })["optimizer-parity"]).toBe("fail");
    expect(verdicts({ parity })["optimizer-parity"]).toBe("pass");
    expect(verdicts({ parity: { ...good.parity, sameDecisionShare: 0.98 } })["optimizer-parity"]).toBe("fail");
  });

  it("fail when a row depends on its batch though it should not, and only say so when it may", () => {
    const found = { rowCount: 64, maximumDifference: 0.01 };
    expect(verdicts({ invariance: { ...found, byDesign: true } })["batch-invariance"]).toBe("fail");
    expect(verdicts({ invariance: { ...found, byDesign: false } })["batch-invariance"]).toBe("inconclusive");
  });

  it("leave saturation and single unfused layers open, and fail a candidate of which nothing is fused", () => {
    const saturation = { pairCount: 100, overflowShare: 0.1, largestSum: 64_770, onData: null };
    expect(verdicts({ saturation })["saturation"]).toBe("inconclusive");
    const onData = { pairCount: 5000, overflowShare: 0.002, worst: { layer: "dense", overflowShare: 0.004 } };
    expect(reasonOf({ ...saturation, onData })).toBe(
      "10 % of 100 pairs of weights can pass 16 bits, and 0.2 % of 5000 sums on the data do, most in dense (0.4 %): on a processor without VNNI measure again, or use reduceRange",
    );
    const none = { ...saturation, onData: { pairCount: 5000, overflowShare: 0, worst: null } };
    expect(verdicts({ saturation: none })["saturation"]).toBe("pass");
    expect(reasonOf(none)).toBe(
      "10 % of 100 pairs of weights can pass 16 bits, and none of 5000 sums on the data does",
    );
    expect(verdicts({ fused: { integerCount: 1, unfused: ["a"] } })["fused"]).toBe("inconclusive");
    expect(verdicts({ fused: { integerCount: 0, unfused: ["a"] } })["fused"]).toBe("fail");
  });
});
