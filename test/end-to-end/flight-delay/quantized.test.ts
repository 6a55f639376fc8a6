import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { digestFile } from "../../../adapters/artifacts/file-store.ts";
import { runJob } from "../../../adapters/compute/run-job.ts";
import { trainerOutputPaths, type TrainingResult } from "../../../adapters/training/trainer.ts";
import { trainers } from "../../../adapters/training/trainers.ts";
import { loadSpec } from "../../../client/spec.ts";
import type { EvaluationReport } from "../../../contracts/evaluation.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";

/** The example's model, trained on real flights, against its own int8 rewrite on all of April. */
let directory: string;
let trained: TrainingResult;
let int8Path: string;
let report: EvaluationReport;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flight-delay-"));
  const spec = await loadSpec(fileURLToPath(new URL("../../../examples/flight-delay/lifecycle.yaml", import.meta.url)));
  const { source, select, time, windows, label } = spec.data;
  const take = async (name: "training" | "evaluation") => {
    const outputPath = join(directory, `${name}.parquet`);
    return {
      path: outputPath,
      ...(await runJob("snapshot", { source, select, time, window: windows[name], outputPath })),
    };
  };
  const training = await take("training");
  const evaluation = await take("evaluation");
  trained = await trainers.process.train({
    settings: spec.training,
    manifest: {
      version: 1,
      data: {
        path: training.path,
        digest: training.digest,
        format: "parquet",
        rowCount: training.rowCount,
        columns: training.columns,
      },
      label,
      features: training.columns.map((column) => column.name).filter((name) => name !== label && name !== time),
      parameters: spec.training.parameters,
      seed: spec.training.seed,
      output: trainerOutputPaths(directory),
    },
    workDirectory: directory,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  int8Path = join(directory, "int8.onnx");
  const { model } = quantizeModel(new Uint8Array(await readFile(trained.modelPath)), "dynamic-int8", "flight-delay");
  await writeFile(int8Path, model);
  const file = async (path: string) => ({ path, digest: (await digestFile(path)).digest });
  report = await runJob("evaluate", {
    model: await file(int8Path),
    signature: trained.signature,
    champion: { ...(await file(trained.modelPath)), signature: trained.signature },
    data: { path: evaluation.path, format: "parquet", digest: evaluation.digest },
    settings: { ...spec.evaluation, slices: [] },
  });
}, 180_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

it("takes at most 0.35 of the bytes", async () => {
  const [int8, fp32] = await Promise.all([digestFile(int8Path), digestFile(trained.modelPath)]);
  expect(int8.sizeBytes / fp32.sizeBytes).toBeLessThanOrEqual(0.35);
});

it("differs from fp32 by less than 0.002 in ROC AUC on April, and so does the whole paired interval", () => {
  expect(report.rowCount).toBe(501_030);
  const auc = report.comparison.find((result) => result.metric === "roc-auc");
  if (auc?.difference.kind !== "estimate") throw new Error("the AUC difference is undefined");
  expect(Math.abs(auc.challenger - auc.champion)).toBeLessThan(0.002);
  for (const bound of auc.difference.interval) expect(Math.abs(bound)).toBeLessThan(0.002);
});

it("keeps the example's own gate on ROC AUC", () => {
  expect(report.gates.find(({ gate }) => gate.metric === "roc-auc")).toMatchObject({ verdict: "pass" });
});
