import { join } from "node:path";
import { runJob } from "../adapters/compute/run-job.ts";
import { renderOptimization } from "../adapters/reports/optimization-page.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import { recordEdges } from "../db/queries/lineage.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepFile, keepJson, keepPage } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";
import { recordVersion, referenceOf, versionName } from "./version-reference.ts";

/** Measures the candidates and chooses one; a chosen rewrite becomes a child version. Keeping fp32 is a valid answer. */
export async function optimizeModel(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(
    dependencies,
    run,
    "optimize",
    async ({ spec, lifecycle, stageRun, directory, result, signal, progress }) => {
      const { version: trained } = await result("admit");
      const { signature } = await result("train");
      const { training, evaluation } = await result("snapshot");
      const report = await runJob(
        "optimize",
        {
          model: { path: await dependencies.artifacts.localPath(trained.digest), digest: trained.digest },
          signature,
          data: { path: await dependencies.artifacts.localPath(evaluation.digest), format: "parquet" },
          calibrationData: { path: await dependencies.artifacts.localPath(training.digest), format: "parquet" },
          settings: spec.optimization,
          outputDirectory: directory,
        },
        { signal, onProgress: progress },
      );
      const stored = await keepJson(dependencies, "report", report);
      const page = await keepPage(dependencies, renderOptimization(report, versionName(trained)));
      const chosen = report.candidates.find((candidate) => candidate.name === report.chosen);
      const rewrite = chosen && chosen.digest !== trained.digest ? await admitCandidate(chosen.name) : null;

      async function admitCandidate(name: string) {
        const path = join(directory, `${name}.onnx`);
        const facts = await runJob("admit", { model: { path }, signature, sample: null }, { signal });
        return { facts, file: await keepFile(dependencies, { path, kind: "model", mediaType: "application/onnx" }) };
      }

      return {
        verdict: "pass",
        headline: `${report.chosen}: ${report.reason}`,
        record: async (tx) => {
          await stored.register(tx);
          await page.register(tx);
          const source = `model/${versionName(trained)}`;
          await recordEdges(tx, [
            { from: source, to: `artifact/${stored.digest}`, role: "measured", lifecycle: lifecycle.id },
            {
              from: `artifact/${stored.digest}`,
              to: `artifact/${page.digest}`,
              role: "rendered",
              lifecycle: lifecycle.id,
            },
          ]);
          if (rewrite === null) return { version: trained, report: stored.digest, chosen: report.chosen };
          await rewrite.file.register(tx);
          const version = await recordVersion(tx, {
            model: trained.model,
            artifact: rewrite.file.digest,
            signature,
            origin: "optimized",
            parentVersion: trained.versionId,
            facts: rewrite.facts,
            createdBy: lifecycle.startedBy,
            key: { lifecycle: lifecycle.id, round: stageRun.round, name: "optimized" },
            trainingData: null,
          });
          await recordEdges(tx, [
            { from: source, to: `model/${versionName(version)}`, role: "optimized-from", lifecycle: lifecycle.id },
          ]);
          return { version: referenceOf(version), report: stored.digest, chosen: report.chosen };
        },
      };
    },
  );
}
