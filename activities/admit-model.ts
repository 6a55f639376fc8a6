import { runJob } from "../adapters/compute/run-job.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepJson } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";
import { recordVersion, referenceOf, versionAs } from "./version-reference.ts";

/** Admits the trained file as a version: limits, signature, a smoke inference; and freezes the baseline drift checks count against. */
export async function admitModel(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(dependencies, run, "admit", async ({ spec, lifecycle, stageRun, result, signal, progress }) => {
    const { model, signature } = await result("train");
    const { training } = await result("snapshot");
    const modelPath = await dependencies.artifacts.localPath(model);
    const dataPath = await dependencies.artifacts.localPath(training.digest);
    const facts = await runJob(
      "admit",
      { model: { path: modelPath }, signature, sample: { path: dataPath, format: "parquet" } },
      { signal },
    );
    progress(0.3, "admitted; profiling the training data");
    const profile = await runJob(
      "profile",
      {
        data: { path: dataPath, format: "parquet", digest: training.digest },
        signature,
        columns: spec.monitoring?.drift.columns ?? null,
        model: { path: modelPath, digest: model },
      },
      { signal, onProgress: (share, note) => progress(0.3 + 0.7 * share, note) },
    );
    const stored = await keepJson(dependencies, "profile", profile);
    return {
      verdict: "pass",
      headline: `${facts.parameterCount.toLocaleString("en-US")} parameters, ${facts.operators.length} kinds of operators`,
      record: async (tx, seal, frame) => {
        await stored.register(tx);
        const version = await recordVersion(tx, frame, {
          model: spec.model.name,
          artifact: model,
          signature,
          origin: "trained",
          parent: null,
          facts,
          createdBy: lifecycle.startedBy,
          key: { lifecycle: lifecycle.id, round: stageRun.round, name: "trained" },
          trainingData: training.digest,
        });
        await seal({
          kind: "admit",
          parameters: { columns: spec.monitoring?.drift.columns ?? null },
          used: [{ ref: `artifact/${training.digest}`, role: "training-data" }, versionAs("version", version)],
          generated: [{ ref: `artifact/${stored.digest}`, role: "baseline" }],
        });
        return { version: referenceOf(version), facts, profile: stored.digest };
      },
    };
  });
}
