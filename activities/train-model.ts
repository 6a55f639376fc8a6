import { join } from "node:path";
import { runJob } from "../adapters/compute/run-job.ts";
import { digestTrainerCode } from "../adapters/training/trainer-code.ts";
import { trainerOutputPaths } from "../adapters/training/trainer.ts";
import { trainers } from "../adapters/training/trainers.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepFile } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";

/** Hands the training snapshot to the user's trainer and takes its model in; nothing has looked inside it yet. */
export async function trainModel(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(dependencies, run, "train", async ({ spec, lifecycle, directory, result, signal, progress }) => {
    const { training } = await result("snapshot");
    const { label, time } = spec.data;
    const code = await digestTrainerCode(spec.training);
    const trained = await trainers[spec.training.trainer].train({
      settings: spec.training,
      manifest: {
        version: 1,
        data: {
          path: await dependencies.artifacts.localPath(training.digest),
          digest: training.digest,
          format: "parquet",
          rowCount: training.description.rowCount,
          columns: training.description.columns,
        },
        label,
        features: training.description.columns
          .map((column) => column.name)
          .filter((name) => name !== label && name !== time),
        parameters: spec.training.parameters,
        seed: spec.training.seed,
        output: trainerOutputPaths(directory),
      },
      workDirectory: directory,
      signal,
      onProgress: progress,
    });
    const outputPath = join(directory, "whole-model.onnx");
    const path = await runJob("embed", { path: trained.modelPath, outputPath }, { signal });
    const model = await keepFile(dependencies, {
      path,
      kind: "model",
      mediaType: "application/onnx",
    });
    const metrics = Object.entries(trained.metrics);
    return {
      verdict: "pass",
      headline:
        metrics.length === 0
          ? "trained"
          : `trainer reports ${metrics.map(([name, value]) => `${name} ${round(value)}`).join(", ")}`,
      record: async (tx, seal) => {
        await model.register(tx);
        await seal({
          kind: "train",
          parameters: { label, time, ...spec.training },
          used: [
            { ref: `artifact/${training.digest}`, role: "training-data" },
            { ref: `lifecycle/${lifecycle.id}`, role: "lifecycle" },
            ...code.map(({ path, digest }) => ({ ref: `source/${path}#${digest}`, role: "trainer" as const })),
          ],
          generated: [{ ref: `artifact/${model.digest}`, role: "bytes" }],
        });
        return { model: model.digest, signature: trained.signature, metrics: { ...trained.metrics } };
      },
    };
  });
}

const round = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(4));
