import { runJob } from "../adapters/compute/run-job.ts";
import { renderEvaluation } from "../adapters/reports/evaluation-page.ts";
import type { JudgedGate } from "../contracts/audit.ts";
import type { EvaluationReport } from "../contracts/evaluation.ts";
import type { LifecycleRun, StageOutcome } from "../contracts/messages.ts";
import { digestOf } from "../db/canonical.ts";
import type { ModelVersion } from "../db/queries/model.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { recordEvaluation } from "../db/queries/evaluation.ts";
import { championOf } from "../db/queries/routing.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepJson, keepPage } from "./keep-artifact.ts";
import { runStage } from "./stage.ts";
import { versionAs, versionName } from "./version-reference.ts";

/** Judges exactly the bytes that would serve, under the gates the spec fixed, paired with the champion on the same rows. */
export async function evaluateModel(dependencies: Dependencies, run: LifecycleRun): Promise<StageOutcome> {
  return runStage(dependencies, run, "evaluate", async ({ spec, lifecycle, stageRun, result, signal, progress }) => {
    const { version } = await result("optimize");
    const { signature } = await result("train");
    const { evaluation: data } = await result("snapshot");
    const champion = spec.deployment ? await championOf(dependencies.database, spec.deployment.endpoint) : null;
    const report = await runJob(
      "evaluate",
      {
        model: { path: await dependencies.artifacts.localPath(version.digest), digest: version.digest },
        signature,
        champion: champion && (await championModel(dependencies, champion)),
        data: { path: await dependencies.artifacts.localPath(data.digest), format: "parquet", digest: data.digest },
        settings: spec.evaluation,
      },
      { signal, onProgress: progress },
    );
    const stored = await keepJson(dependencies, "report", report);
    const names = { model: versionName(version), champion: champion && versionName(champion) };
    const page = await keepPage(dependencies, renderEvaluation(report, names));
    return {
      verdict: report.verdict,
      headline: headline(report),
      record: async (tx, seal) => {
        await stored.register(tx);
        await page.register(tx);
        const evaluation = await recordEvaluation(tx, {
          stageRun: stageRun.id,
          modelVersion: version.versionId,
          championVersion: champion?.id ?? null,
          reportDigest: stored.digest,
          report,
        });
        const subject = `evaluation/${evaluation.id}`;
        await seal({
          kind: "evaluate",
          parameters: spec.evaluation,
          used: [
            versionAs("version", version),
            { ref: `artifact/${data.digest}`, role: "evaluation-data" },
            ...(champion ? [versionAs("champion", champion)] : []),
          ],
          generated: [
            { ref: subject, role: "evaluation" },
            { ref: `artifact/${stored.digest}`, role: "report" },
            { ref: `artifact/${page.digest}`, role: "page" },
          ],
        });
        await recordAudit(tx, {
          actor: lifecycle.startedBy,
          subject,
          body: {
            kind: "evaluation-recorded",
            versionId: version.versionId,
            modelDigest: report.model,
            dataDigest: report.data,
            reportDigest: stored.digest,
            verdict: report.verdict,
            gatesDigest: digestOf(judgedGates(report)),
          },
        });
        return { evaluationId: evaluation.id, report: stored.digest, page: page.digest, verdict: report.verdict };
      },
    };
  });
}

const judgedGates = ({ gates }: EvaluationReport): JudgedGate[] =>
  gates.map(({ gate, verdict, reason }) => ({ metric: gate.metric, verdict, reason }));

async function championModel({ artifacts }: Dependencies, champion: ModelVersion) {
  return {
    path: await artifacts.localPath(champion.artifact),
    digest: champion.artifact,
    signature: champion.signature,
  };
}

/** The first gate that did not pass says why; else the first gate's number says how good. */
function headline(report: EvaluationReport): string {
  const open = report.gates.filter((gate) => gate.verdict !== "pass");
  if (open.length > 0) return open.map((gate) => gate.reason).join("; ");
  const passed = report.gates.length === 1 ? "the gate passed" : `all ${report.gates.length} gates passed`;
  return `${passed}; ${report.gates[0]?.reason ?? ""}`;
}
