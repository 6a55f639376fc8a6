import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admit } from "../../../adapters/compute/admit.ts";
import { evaluate } from "../../../adapters/compute/evaluate.ts";
import { optimize } from "../../../adapters/compute/optimize.ts";
import { score } from "../../../adapters/compute/score.ts";
import { renderOptimization } from "../../../adapters/reports/optimization-page.ts";
import { QUANTIZATION_PASSES } from "../../../contracts/names.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { evaluationReportSchema, evaluationSettingsSchema } from "../../../contracts/evaluation.ts";
import { optimizationReportSchema, optimizationSettingsSchema } from "../../../contracts/optimization.ts";
import type { ModelSignature } from "../../../contracts/signature.ts";
import { foldModel } from "../../../adapters/inference/fold-model.ts";
import { digestOf, signature, writeFlights, writeModel } from "./small-model.ts";

const context = { progress: () => undefined };
const settings = evaluationSettingsSchema.parse({
  gates: [{ metric: "roc-auc", notWorseThanChampionBy: 0.05 }],
  slices: ["origin", "weekday"],
  minimumSliceRows: 200,
});

let directory: string;
let model: Awaited<ReturnType<typeof writeModel>>;
let rival: typeof model;
let data: Awaited<ReturnType<typeof writeFlights>>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-inference-"));
  model = await writeModel(directory, "model.onnx");
  rival = await writeModel(directory, "rival.onnx", { seed: 2 });
  data = await writeFlights(directory, 3000);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A signature with one thing changed. */
const changed = (change: Partial<ModelSignature>): ModelSignature => ({ ...signature, ...change });
const write = async (name: string, content: string | Uint8Array) => {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
};

describe("job evaluate", () => {
  it("reports both models on the same rows, with slices of text and of numbers", async () => {
    const report = await evaluate({ model, signature, champion: rival, data, settings }, context);
    expect(evaluationReportSchema.parse(structuredClone(report))).toEqual(report);
    expect(report).toMatchObject({ model: model.digest, champion: rival.digest, data: data.digest, rowCount: 3000 });
    const ofWeekday = report.slices.filter((slice) => slice.column === "weekday");
    expect(ofWeekday.map((slice) => slice.value).toSorted()).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
    expect(report.slices.filter((slice) => slice.column === "origin")).toHaveLength(4);
    const swapped = await evaluate({ model: rival, signature, champion: model, data, settings }, context);
    const auc = (from: typeof report) => from.comparison.find((result) => result.metric === "roc-auc");
    expect(auc(swapped)).toMatchObject({ challenger: auc(report)!.champion, champion: auc(report)!.challenger });
  });
  it("finds a model equal to itself", async () => {
    const report = await evaluate({ model, signature, champion: model, data, settings }, context);
    expect(report.verdict).toBe("pass");
    for (const { challenger, champion } of report.comparison) expect(challenger).toBe(champion);
  });
  it("measures nothing when model or data are not what their digests say", async () => {
    const wrong = digestOf("other bytes");
    const input = { model, signature, champion: null, data, settings };
    await expect(evaluate({ ...input, model: { ...model, digest: wrong } }, context)).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    await expect(evaluate({ ...input, data: { ...data, digest: wrong } }, context)).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
  });
  it("names the missing file, the missing label and the empty data", async () => {
    const input = { model, signature, champion: null, data, settings };
    const evaluateOn = (text: string, path: string) =>
      evaluate({ ...input, data: { path, digest: digestOf(text) } }, context);
    const gone = join(directory, "gone.csv");
    await expect(evaluateOn("", gone)).rejects.toMatchObject({ code: "FILE_MISSING" });
    const unlabelled = "origin,hour,distance,weekday\nABQ,3,300,1\n";
    await expect(evaluateOn(unlabelled, await write("unlabelled.csv", unlabelled))).rejects.toMatchObject({
      code: "COLUMN_MISSING",
      fields: { column: "late" },
    });
    const empty = await write("empty.jsonl", "");
    await expect(evaluateOn("", empty)).rejects.toMatchObject({ name: "Failure" });
  });
});

describe("job score", () => {
  it("gives a probability a row in the file's order, whatever the batches, and the labels", async () => {
    const scored = await score({ model, signature, data }, context);
    expect(scored.scores).toHaveLength(3000);
    expect(scored.scores.every((value) => value >= 0 && value <= 1)).toBe(true);
    const lines = (await readFile(data.path, "utf8")).trim().split("\n").slice(1);
    expect(Array.from(scored.labels!)).toEqual(lines.map((line) => Number(line.split(",")[3])));
    const tail = await write(
      "tail.csv",
      ["origin,hour,distance", ...lines.slice(2990).map((line) => line.split(",").slice(0, 3).join(","))].join("\n"),
    );
    const alone = await score({ model, signature, data: { path: tail } }, context);
    expect(alone.labels).toBeNull();
    for (const [row, value] of alone.scores.entries()) expect(value).toBeCloseTo(scored.scores[2990 + row]!, 6);
  });
  it("refuses a value outside the vocabulary, naming it", async () => {
    const path = await write("unknown.csv", "origin,hour,distance,late\nXXX,3,300,1\n");
    await expect(score({ model, signature, data: { path } }, context)).rejects.toMatchObject({
      code: "UNKNOWN_CATEGORY",
      fields: { value: "XXX" },
    });
  });
});

describe("job admit", () => {
  it("says what the model is made of, with data and without", async () => {
    for (const sample of [data, null]) {
      const facts = await admit({ model, signature, sample }, context);
      expect(facts.inputs.map((input) => input.name)).toEqual(["origin", "numbers"]);
      expect(facts.parameterCount).toBe(16 + 48 + 64 + 8);
    }
  });
  it("refuses a model whose inputs or outputs are not the declared ones, with both", async () => {
    const [origin, numbers] = signature.inputs;
    const wrong = [
      changed({ inputs: [origin!] }),
      changed({ inputs: [origin!, { ...numbers!, datatype: "FP64" }] }),
      changed({ inputs: [origin!, { ...numbers!, shape: [-1, 3] }] }),
      changed({ inputs: [origin!, { ...numbers!, name: "features" }] }),
      changed({ outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1] }] }),
      changed({ prediction: { kind: "binary", output: "score", threshold: 0.5 } }),
    ];
    for (const declared of wrong) {
      await expect(admit({ model, signature: declared, sample: null }, context)).rejects.toMatchObject({
        code: "MODEL_SIGNATURE",
      });
    }
    await expect(admit({ model, signature: wrong[2]!, sample: null }, context)).rejects.toThrow(
      "found inputs origin INT64[-1], numbers FP32[-1, 2], expected inputs origin INT64[-1], numbers FP32[-1, 3]",
    );
  });
  it("refuses a fixed batch axis where an open one is declared", async () => {
    const fixed = await writeModel(directory, "fixed.onnx", { batch: 4 });
    await expect(admit({ model: fixed, signature, sample: null }, context)).rejects.toMatchObject({
      code: "MODEL_SIGNATURE",
    });
  });
  it("refuses logits: the smoke inference must give probabilities", async () => {
    const logits = await writeModel(directory, "logits.onnx", { last: "Identity" });
    await expect(admit({ model: logits, signature, sample: data }, context)).rejects.toMatchObject({
      code: "MODEL_SIGNATURE",
    });
  });
  it("refuses a missing file, a truncated model and a pickle by their own names", async () => {
    const bytes = await readFile(model.path);
    const cases = [
      [join(directory, "gone.onnx"), "FILE_MISSING"],
      [await write("cut.onnx", bytes.subarray(0, bytes.length / 2)), "MODEL_NOT_ONNX"],
      [await write("pickle.onnx", Uint8Array.of(0x80, 4, 0x95, 1, 2, 3)), "MODEL_NOT_ONNX"],
    ] as const;
    for (const [path, code] of cases) {
      await expect(admit({ model: { path }, signature, sample: null }, context)).rejects.toMatchObject({ code });
    }
  });
});

describe("job optimize", () => {
  const optimization = optimizationSettingsSchema.parse({ objective: "size", sampleRows: 1000 });

  it("writes every candidate, measures it and chooses the smaller one that agrees", async () => {
    const wide = await writeModel(directory, "wide.onnx", { width: 256 });
    const outputDirectory = join(directory, "candidates");
    const input = { model: wide, signature, data, calibrationData: data, settings: optimization, outputDirectory };
    const report = await optimize(input, context);
    expect(optimizationReportSchema.parse(structuredClone(report))).toEqual(report);
    expect(report).toMatchObject({ source: wide.digest, chosen: "dynamic-int8" });
    for (const candidate of report.candidates) {
      const bytes = await readFile(join(outputDirectory, `${candidate.name}.onnx`));
      expect(digestOf(bytes)).toBe(candidate.digest);
      expect(bytes).toHaveLength(candidate.sizeBytes);
      expect(candidate.agreement.rowCount).toBe(1000);
      expect(candidate.latency.map((latency) => latency.batch)).toEqual([1, 32]);
      for (const latency of candidate.latency) expect(latency.p95Ms).toBeGreaterThanOrEqual(latency.p50Ms);
    }
    const [original, quantized] = report.candidates;
    expect(original!.agreement).toMatchObject({ maximumDifference: 0, signalToNoiseDb: null, sameDecisionShare: 1 });
    expect(quantized!.sizeBytes / original!.sizeBytes).toBeLessThan(0.35);
    expect(report.nodes["dynamic-int8"]!.some((node) => node.action === "quantized")).toBe(true);
  });
  it("compares every pass: ranges recorded, a row's debt to its batch measured, the smallest that agrees chosen", async () => {
    const wide = await writeModel(directory, "wide.onnx", { width: 256 });
    const settings = optimizationSettingsSchema.parse({
      passes: QUANTIZATION_PASSES,
      objective: "size",
      sampleRows: 1000,
      calibration: { method: "percentile", percentile: 99.9, rows: 300, seed: 7 },
    });
    const outputDirectory = join(directory, "every-pass");
    const report = await optimize(
      { model: wide, signature, data, calibrationData: data, settings, outputDirectory },
      context,
    );
    expect(optimizationReportSchema.parse(structuredClone(report))).toEqual(report);
    const made = QUANTIZATION_PASSES.filter((name) => name !== "fold-fp32");
    expect(report.candidates.map(({ name }) => name)).toEqual(["fp32", ...made]);
    expect(report.unmade).toMatchObject([
      { name: "fold-fp32", reason: expect.stringContaining("nothing in it is constant") as string },
    ]);
    const smallest = report.candidates
      .filter(({ refused }) => refused === null)
      .toSorted((one, other) => one.sizeBytes - other.sizeBytes)[0]!;
    expect(report.chosen).toBe(smallest.name);
    expect(smallest.sizeBytes / report.candidates[0]!.sizeBytes).toBeLessThan(0.3);

    const calibration = report.calibrations["static-int8"]!;
    expect(calibration).toMatchObject({ method: "percentile", percentile: 99.9, rowCount: 300, seed: 7 });
    expect(Object.keys(report.calibrations)).toEqual(["static-int8"]);
    const ranges = new Map(Object.entries(calibration.ranges).map(([value, [low, high]]) => [value, { low, high }]));
    const source = await readFile(wide.path);
    const again = quantizeModel(source, "static-int8", "m", { ranges, folded: await foldModel(source) });
    const integers = report.candidates.find(({ name }) => name === "static-int8")!;
    expect(digestOf(again.model)).toBe(integers.digest);

    const difference = Object.fromEntries(
      report.candidates.map(({ name, batchInvariance }) => [name, batchInvariance.maximumDifference]),
    );
    expect(difference["dynamic-int8"]).toBeGreaterThan(1e-5);
    expect(difference["static-int8"]).toBeLessThan(1e-6);
    expect(
      report.candidates.filter(({ batchInvariance }) => !batchInvariance.byDesign).map(({ name }) => name),
    ).toEqual(["dynamic-int8"]);
    const page = renderOptimization(report, "wide");
    for (const title of ["Size and latency at batch", "Size and closeness", "Layers of"]) expect(page).toContain(title);
    // A bar a layer, and a dashed line along the front of each plot.
    expect(page.match(/stroke-dasharray="4,3"/g)?.length).toBeGreaterThan(1);
    for (const text of [...QUANTIZATION_PASSES, calibration.rangesDigest, "depends on the batch by design"]) {
      expect(page).toContain(text);
    }
  });
  it("keeps fp32 and says why, by the model's name, when it has nothing to quantize", async () => {
    const outputDirectory = join(directory, "kept");
    const named = { ...model, name: "small@1" };
    const report = await optimize(
      { model: named, signature, data, calibrationData: data, settings: optimization, outputDirectory },
      context,
    );
    expect(report.candidates.map((candidate) => candidate.name)).toEqual(["fp32"]);
    expect(report.chosen).toBe("fp32");
    expect(report.reason).toContain("small@1: nothing to quantize");
    expect(report.reason).not.toContain(directory);
    expect(report.unmade).toEqual([
      { name: "dynamic-int8", reason: expect.stringContaining("nothing to quantize") as string },
    ]);
    expect(renderOptimization(report, "small")).toContain("Passes without a candidate");
  });
});
