import { join } from "node:path";
import { runJob } from "../adapters/compute/run-job.ts";
import { renderOptimization } from "../adapters/reports/optimization-page.ts";
import { SERVING_RECORD } from "../contracts/serving-record.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepFile, keepJson, keepPage } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";
import { recordVersion, referenceOf, versionAs, versionName } from "./version-reference.ts";

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
          model: {
            path: await dependencies.artifacts.localPath(trained.digest),
            digest: trained.digest,
            name: versionName(trained),
          },
          signature,
          data: { path: await dependencies.artifacts.localPath(evaluation.digest), format: "parquet" },
          calibrationData: { path: await dependencies.artifacts.localPath(training.digest), format: "parquet" },
          settings: spec.optimization,
          outputDirectory: directory,
        },
        { signal, onProgress: progress },
      );
      const stored = await keepJson(dependencies, "report", report);
      const serving = await keepFile(dependencies, {
        path: join(directory, SERVING_RECORD),
        kind: "report",
        mediaType: "application/json",
      });
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
        record: async (tx, seal, frame) => {
          await stored.register(tx);
          await page.register(tx);
          await serving.register(tx);
          await seal({
            kind: "optimize",
            parameters: spec.optimization,
            used: [
              versionAs("version", trained),
              { ref: `artifact/${training.digest}`, role: "calibration-data" },
              { ref: `artifact/${evaluation.digest}`, role: "evaluation-data" },
            ],
            generated: [
              { ref: `artifact/${stored.digest}`, role: "report" },
              { ref: `artifact/${serving.digest}`, role: "output" },
              { ref: `artifact/${page.digest}`, role: "page" },
              ...(rewrite ? [{ ref: `artifact/${rewrite.file.digest}`, role: "bytes" as const }] : []),
            ],
          });
          if (rewrite === null) return { version: trained, report: stored.digest, chosen: report.chosen };
          const version = await recordVersion(tx, frame, {
            model: trained.model,
            artifact: rewrite.file.bytes,
            signature,
            origin: "optimized",
            parent: trained,
            facts: rewrite.facts,
            createdBy: lifecycle.startedBy,
            key: { lifecycle: lifecycle.id, round: stageRun.round, name: "optimized" },
            trainingData: null,
          });
          return { version: referenceOf(version), report: stored.digest, chosen: report.chosen };
        },
      };
    },
  );
}
