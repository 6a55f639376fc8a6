import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { optimize } from "../../../adapters/compute/optimize.ts";
import { openSession } from "../../../adapters/inference/session.ts";
import { checkGolden } from "../../../adapters/inference/serving-record.ts";
import { optimizationReportSchema, optimizationSettingsSchema, trialSchema } from "../../../contracts/optimization.ts";
import { servingRecordSchema } from "../../../contracts/serving-record.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "../quantization/random-weights.ts";
import { digestOf } from "./small-model.ts";

const WIDTH = 64;
const columns = Array.from({ length: 8 }, (_, at) => `x${at}`);
const signature = modelSignatureSchema.parse({
  inputs: [
    {
      name: "x",
      datatype: "FP32",
      shape: [-1, columns.length],
      features: columns.map((column) => ({ kind: "number", column })),
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});

/** Layers of which one has a row of weights a thousand times the others, for a feature that is always 0: int8 has no step left for the rest. */
function buildFragile(): Uint8Array {
  const graph = buildGraph("fragile");
  let row = graph.input("x", "FP32", ["batch", columns.length]);
  for (const [index, size] of [columns.length, WIDTH, WIDTH, WIDTH].entries()) {
    const weights = normals(index + 1, size * WIDTH, 1 / Math.sqrt(size));
    if (index === 2) for (let column = 0; column < WIDTH; column++) weights[column] = 3000;
    const matrix = graph.floats(`w${index}`, [size, WIDTH], weights);
    row = graph.add(
      "Gemm",
      [row, matrix, graph.floats(`b${index}`, [WIDTH], normals(9, WIDTH, 0.1))],
      {},
      { name: `dense${index}` },
    );
    row = graph.add("Relu", [row]);
    // The first of the next layer's inputs is always 0.
    const mask = graph.floats(
      `m${index}`,
      [WIDTH],
      Float32Array.from({ length: WIDTH }, (_, at) => (at === 0 ? 0 : 1)),
    );
    row = graph.add("Mul", [row, mask]);
  }
  const score = graph.add(
    "MatMul",
    [row, graph.floats("out", [WIDTH, 1], normals(30, WIDTH, 0.3))],
    {},
    { name: "head" },
  );
  graph.add("Sigmoid", [score], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

let directory: string;
let input: Omit<Parameters<typeof optimize>[0], "settings" | "outputDirectory">;
const context = { progress: () => undefined };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-search-"));
  const random = createRandom(5);
  const bytes = buildFragile();
  const values = Float32Array.from({ length: 3000 * columns.length }, () => Number(random.normal().toFixed(4)));
  // Labels as the model has them, so that a candidate far from it is a worse one.
  const scores = await runModel(bytes, { x: { dims: [3000, columns.length], data: values } });
  const lines = scores.map((score, row) => {
    const cells = Array.from(values.subarray(row * columns.length, (row + 1) * columns.length), (x) => x.toFixed(4));
    return [...cells, random.uniform() < score ? 1 : 0].join(",");
  });
  const data = { path: join(directory, "rows.csv") };
  await writeFile(data.path, `${columns.join(",")},late\n${lines.join("\n")}\n`);
  const model = { path: join(directory, "fragile.onnx"), digest: digestOf(bytes) };
  await writeFile(model.path, bytes);
  input = { model, signature, data, calibrationData: data };
});
afterAll(() => rm(directory, { recursive: true }));

const settingsOf = (given: object = {}) =>
  optimizationSettingsSchema.parse({ objective: "size", sampleRows: 1500, batches: [1], ...given });
const run = (outputDirectory: string, given: object = {}) =>
  optimize({ ...input, settings: settingsOf(given), outputDirectory: join(directory, outputDirectory) }, context);

describe("the search for a candidate inside the tolerance", () => {
  it.each(["dynamic-int8", "static-int8"])(
    "%s: gives back to float the one layer that does harm, and no other",
    async (pass) => {
      const report = await run(pass, { passes: [pass], maximumDisagreementShare: 0.05 });
      expect(optimizationReportSchema.parse(structuredClone(report))).toEqual(report);
      const made = report.candidates.find(({ name }) => name === pass)!;
      expect(made.fallbacks).toEqual(["dense2"]);
      expect(made.agreement.signalToNoiseDb).toBeGreaterThan(25);
      expect(report).toMatchObject({ outcome: "met", chosen: pass });
      expect(report.reason).toContain("with dense2 left in float");
      const [before, ...later] = report.trials;
      expect(before).toMatchObject({ stage: "full", fallbacks: [], isInside: false });
      expect(later.filter(({ stage }) => stage === "layer").map(({ layer }) => layer)).toContain("dense2");
      expect(later.at(-1)).toMatchObject({ stage: "full", fallbacks: ["dense2"], isInside: true });
      expect(digestOf(await readFile(join(directory, pass, `${pass}.onnx`)))).toBe(made.digest);
    },
  );

  it("records what a gateway serves the chosen one by: threads, batch, wait, and its own answers on golden rows", async () => {
    const report = await run("record", { passes: ["dynamic-int8"], maximumDisagreementShare: 0.05 });
    const file = await readFile(join(directory, "record", "serving.json"));
    expect(digestOf(file)).toBe(report.servingRecord);
    const record = servingRecordSchema.parse(JSON.parse(file.toString()));
    const chosen = report.candidates.find(({ name }) => name === report.chosen)!;
    expect(record).toMatchObject({
      model: chosen.digest,
      threads: report.serving.threads,
      maximumBatchRows: 1,
      waitMs: 0,
      host: { cpuFeatures: report.runtime["cpuFeatures"], runtime: report.runtime["onnxruntime-node"] },
      golden: { inputs: [{ shape: [64, columns.length] }], outputs: [{ name: "probability", shape: [64, 1] }] },
    });
    const kept = chosen.agreement.signalToNoiseDb!;
    expect(record.golden.allowed.minimumSignalToNoiseDb).toBe(kept);
    const open = async (name: string) => {
      const model = await readFile(join(directory, "record", `${name}.onnx`));
      return openSession({ model, digest: digestOf(model) });
    };
    const [same, other] = [await open(report.chosen), await open("fp32")];
    await expect(checkGolden("fragile", same, record)).resolves.toBeUndefined();
    const strict = {
      ...record,
      golden: { ...record.golden, allowed: { ...record.golden.allowed, minimumSignalToNoiseDb: kept + 15 } },
    };
    await expect(checkGolden("fragile", other, strict)).rejects.toMatchObject({ code: "HOST_NOT_PROVEN" });
    await Promise.all([same.close(), other.close()]);
  });

  it("goes on after a crash where it was: trials and timings made before are not made again", async () => {
    const first = await run("again", { passes: ["dynamic-int8"], maximumDisagreementShare: 0.05 });
    const measured = join(directory, "again", "measured");
    const files = await readdir(measured);
    expect(files.filter((name) => name.startsWith("trial-"))).toHaveLength(
      first.trials.filter(({ stage }) => stage !== "full").length,
    );
    // As if the process had died before the last trial: one file is missing, and one trial is told to have come out otherwise.
    const read = async (name: string) => ({
      name,
      trial: trialSchema.parse(JSON.parse(await readFile(join(measured, name), "utf8"))),
    });
    const trials = await Promise.all(files.filter((name) => name.startsWith("trial-")).map(read));
    const harmless = trials.find(({ trial }) => trial.layer === "dense0")!;
    await writeFile(join(measured, harmless.name), JSON.stringify({ ...harmless.trial, signalToNoiseDb: 77.5 }));
    await rm(join(measured, trials.find(({ trial }) => trial.layer === "dense1")!.name));
    const second = await run("again", { passes: ["dynamic-int8"], maximumDisagreementShare: 0.05 });
    expect(second.trials.map(({ signalToNoiseDb }) => signalToNoiseDb)).toContain(77.5);
    expect(second.candidates.map(({ latency }) => latency)).toEqual(first.candidates.map(({ latency }) => latency));
    expect((await readdir(measured)).toSorted()).toEqual(files.toSorted());
  });

  it("judges tolerances on labelled rows: a candidate whose interval leaves one is not chosen", async () => {
    const constraints = { tolerances: [{ metric: "log-loss", maximumDrop: 0.0001 }] };
    const settings = {
      passes: ["dynamic-int8", "store-f16"],
      constraints,
      maximumFallbacks: 0,
      minimumSignalToNoiseDb: 0,
    };
    const report = await run("tolerances", { ...settings, maximumDisagreementShare: 1 });
    const verdicts = report.candidates.map(({ name, tolerances }) => [name, tolerances[0]!.verdict]);
    expect(verdicts).toEqual([
      ["fp32", "pass"],
      ["dynamic-int8", expect.stringMatching(/fail|inconclusive/)],
      ["store-f16", "pass"],
    ]);
    expect(report).toMatchObject({ chosen: "store-f16", outcome: "met" });
  });

  it("measures memory when a constraint asks for it, and batches and threads as ways of serving", async () => {
    const constraints = { maximumMemoryBytes: 2 ** 40 };
    const report = await run("ways", { passes: [], objective: "cost", constraints, batches: [1, 64], threads: [1, 2] });
    const [fp32] = report.candidates;
    expect(fp32!.memoryBytes).toBeGreaterThan(10_000);
    expect(fp32!.latency).toHaveLength(4);
    expect(report).toMatchObject({ chosen: "fp32", outcome: "met", serving: { batch: 64 } });
  });

  it("whose time is over chooses from what it has", async () => {
    const report = await run("late", {
      passes: ["dynamic-int8", "store-f16", "static-int8"],
      searchBudgetMs: 1000,
      sampleRows: 100,
    });
    const told = [...report.candidates.slice(1).map(({ name }) => name), ...report.unmade.map(({ name }) => name)];
    expect(told.toSorted()).toEqual(["dynamic-int8", "static-int8", "store-f16"]);
    for (const { reason } of report.unmade) expect(reason).toBe("the search's time was over");
  });
});
