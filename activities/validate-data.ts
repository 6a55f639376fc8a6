import { runJob } from "../adapters/compute/run-job.ts";
import { renderValidation } from "../adapters/reports/validation-page.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import { recordEdges } from "../db/queries/lineage.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepJson, keepPage } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";

/** Checks both snapshots; a failed check stops the run with its reason. */
export async function validateData(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(dependencies, run, "validate", async ({ spec, lifecycle, result, signal, progress }) => {
    const { training, evaluation } = await result("snapshot");
    const report = await runJob(
      "validate",
      {
        training: { path: await dependencies.artifacts.localPath(training.digest), format: "parquet" },
        evaluation: { path: await dependencies.artifacts.localPath(evaluation.digest), format: "parquet" },
        label: spec.data.label,
        time: spec.data.time,
        checks: spec.data.checks,
      },
      { signal, onProgress: progress },
    );
    const stored = await keepJson(dependencies, "report", report);
    const page = await keepPage(dependencies, renderValidation(report, `lifecycle ${lifecycle.id}`));
    const failed = report.checks.filter((check) => check.verdict !== "pass");
    return {
      verdict: report.verdict,
      headline:
        failed.length === 0
          ? `${report.executedCount} checks passed`
          : `${failed.length} of ${report.executedCount} checks did not pass: ${failed.map((check) => check.message).join("; ")}`,
      record: async (tx) => {
        await stored.register(tx);
        await page.register(tx);
        await recordEdges(tx, [
          {
            from: `artifact/${training.digest}`,
            to: `artifact/${stored.digest}`,
            role: "validated",
            lifecycle: lifecycle.id,
          },
          {
            from: `artifact/${evaluation.digest}`,
            to: `artifact/${stored.digest}`,
            role: "validated",
            lifecycle: lifecycle.id,
          },
          {
            from: `artifact/${stored.digest}`,
            to: `artifact/${page.digest}`,
            role: "rendered",
            lifecycle: lifecycle.id,
          },
        ]);
        return { report: stored.digest, verdict: report.verdict, failedChecks: failed.map((check) => check.check) };
      },
    };
  });
}
