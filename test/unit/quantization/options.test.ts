import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { QuantizationPassName } from "../../../contracts/names.ts";
import { quantizationOptionsSchema, type QuantizationOptions } from "../../../contracts/optimization.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { quantizationPass } from "../../../core/quantization/registry.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";

interface Variant {
  readonly source: string;
  readonly pass: QuantizationPassName;
  readonly options: Partial<QuantizationOptions>;
  readonly ranges?: Record<string, [number, number]>;
  readonly tensors: Record<string, { readonly dims: number[]; readonly bytes: string }>;
}

const fixtures = new URL("../../fixtures/onnx/", import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, fixtures)));
const { variants, images } = JSON.parse(readFileSync(new URL("passes.json", fixtures), "utf8")) as {
  readonly variants: readonly Variant[];
  readonly images: string;
};

function quantize({ source, pass, options, ranges = {} }: Variant) {
  const bytes = read(source);
  const values = valuesToCalibrate(bytes, pass, source, options);
  const known = new Map(values.map((value) => [value, { low: ranges[value]![0], high: ranges[value]![1] }]));
  return quantizeModel(bytes, pass, source, { ...options, ranges: known });
}

const feeds: Record<string, Parameters<typeof runModel>[1]> = {
  "joined.onnx": {
    image: { dims: [64, 1, 9, 9], data: new Float32Array(Uint8Array.from(Buffer.from(images, "base64")).buffer) },
  },
  "lstm.onnx": { x: { dims: [7, 16, 10], data: normals(5, 7 * 16 * 10) } },
  "mlp.onnx": {
    carrier: { dims: [32], data: BigInt64Array.from({ length: 32 }, (_, row) => BigInt(row)) },
    origin: { dims: [32], data: BigInt64Array.from({ length: 32 }, (_, row) => BigInt(59 - row)) },
    hours: { dims: [32, 8], data: normals(6, 256) },
  },
};
const titled = variants.map((variant) => {
  const options = Object.entries(variant.options).map(([name, value]) => `${name} ${String(value)}`);
  return [`${variant.pass} of ${variant.source}, ${options.join(", ")}`, variant] as const;
});

describe.each(titled)("%s", (_, variant) => {
  it("gives the weights, scales and zero points of onnxruntime.quantization byte for byte", () => {
    const { model } = quantize(variant);
    const theirs = new Map(Object.entries(variant.tensors));
    const made = parseModel(model, "m").graph!.initializers.filter(({ name }) =>
      /_(quantized|scales?|zero_points?|Q4)$/.test(name),
    );
    const ours = made.map(
      ({ name, dims, rawData }) => [name, { dims, bytes: Buffer.from(rawData!).toString("base64") }] as const,
    );
    // Each leaves nodes in float that the other quantizes: theirs takes small weights too, ours a Gemm as int4.
    const compared = ours.filter(([name]) => theirs.has(name));
    expect(compared.length).toBeGreaterThan(3);
    expect(compared.length / theirs.size).toBeGreaterThan(0.5);
    expect(Object.fromEntries(compared)).toEqual(
      Object.fromEntries(compared.map(([name]) => [name, theirs.get(name)])),
    );
    expect(ours.filter(([name]) => !theirs.has(name) && !name.startsWith("w2_"))).toEqual([]);
  });

  it.each(["disabled", "basic", "extended", "all"] as const)(
    "stays near fp32 at optimisation level %s",
    async (level) => {
      const feed = feeds[variant.source]!;
      const [reference, candidate] = [
        await runModel(read(variant.source), feed, "disabled"),
        await runModel(quantize(variant).model, feed, level),
      ];
      const { signalToNoiseDb } = measureAgreement({ where: "m", reference, candidate, threshold: 0 });
      expect(signalToNoiseDb).toBeGreaterThan(variant.pass === "weight-only-int4" ? 12 : 20);
      expect(signalToNoiseDb).toBeLessThan(80);
    },
  );

  it("keeps the model's inputs and outputs and says something of every node it looks at", () => {
    const { model, nodes } = quantize(variant);
    expect(inspectModel(model, "m").outputs).toEqual(inspectModel(read(variant.source), "m").outputs);
    for (const { reason } of nodes) expect(reason).toMatch(/\S/);
  });
});

describe("an option", () => {
  it("that a pass declares changes its bytes, and one it does not declare changes nothing", () => {
    const other: Partial<QuantizationOptions> = {
      perChannel: false,
      reduceRange: true,
      activationType: "QInt8",
      blockSize: 64,
      isSymmetric: false,
      accuracyLevel: 0,
    };
    const defaults = quantizationOptionsSchema.parse({});
    for (const name of ["store-f16", "store-int8", "dynamic-int8", "static-int8", "weight-only-int4"] as const) {
      const source = name === "static-int8" ? "joined.onnx" : "mlp.onnx";
      const { ranges = {} } = variants.find((variant) => variant.pass === name) ?? {};
      const bytesWith = (options: Partial<QuantizationOptions>) =>
        Buffer.from(quantize({ source, pass: name, options, ranges, tensors: {} }).model).toString("base64");
      const before = bytesWith(defaults);
      for (const [option, value] of Object.entries(other)) {
        const declared = quantizationPass(name).options.some((known) => known === option);
        expect([name, option, bytesWith({ [option]: value }) !== before]).toEqual([name, option, declared]);
      }
    }
  });

  it("nodesToExclude takes names, places of unnamed nodes and stars, and leaves exactly those in float", () => {
    const left = (patterns: string[]) =>
      quantizeModel(read("mlp.onnx"), "dynamic-int8", "m", { nodesToExclude: patterns })
        .nodes.filter(({ reason }) => reason === "it is excluded")
        .map(({ name }) => name);
    expect(left(["dense2"])).toEqual(["dense2"]);
    expect(left(["gather_*", "de*2"])).toEqual(["gather_carrier", "gather_origin", "dense2"]);
    expect(left(["*3*again"])).toEqual(["dense3_again"]);
    expect(left(["dense", "*x*", "dense2*2"])).toEqual([]);
    expect(() => left(["*"])).toThrow("it is excluded");
  });
});
