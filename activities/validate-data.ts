import { runJob } from "../adapters/compute/run-job.ts";
import { renderValidation } from "../adapters/reports/validation-page.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
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
      record: async (tx, seal) => {
        await stored.register(tx);
        await page.register(tx);
        await seal({
          kind: "validate",
          parameters: { checks: spec.data.checks, label: spec.data.label, time: spec.data.time },
          used: [
            { ref: `artifact/${training.digest}`, role: "training-data" },
            { ref: `artifact/${evaluation.digest}`, role: "evaluation-data" },
          ],
          generated: [
            { ref: `artifact/${stored.digest}`, role: "report" },
            { ref: `artifact/${page.digest}`, role: "page" },
          ],
        });
        return { report: stored.digest, verdict: report.verdict, failedChecks: failed.map((check) => check.check) };
      },
    };
  });
}
