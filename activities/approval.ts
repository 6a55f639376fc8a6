import type { Decision, LifecycleRun } from "../contracts/messages.ts";
import { findApproval, recordApproval } from "../db/queries/approval.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireLifecycle, setLifecycleStatus } from "../db/queries/lifecycle.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findPassedStageRun, findStageRun, finishStageRun, startStageRun } from "../db/queries/stage-run.ts";
import type { Dependencies } from "./dependencies.ts";
import { executionContext } from "./operation-context.ts";
import { loadStageResult } from "./stage.ts";
import { versionAs } from "./version-reference.ts";

/** Opens the wait for a person, unless an earlier round was approved already on the same evidence. */
export async function awaitApproval(
  dependencies: Dependencies,
  { lifecycleId, round }: LifecycleRun,
): Promise<{ waiting: boolean }> {
  const { database } = dependencies;
  if (await findPassedStageRun(database, { lifecycle: lifecycleId, stage: "approve" })) return { waiting: false };
  await database.transaction(async (tx) => {
    const run = await startStageRun(tx, { lifecycle: lifecycleId, stage: "approve", round });
    const headline = "waiting for somebody other than the author";
    await finishStageRun(tx, { id: run.id, attempt: run.attempt, status: "waiting", headline });
    const { status, startedBy, outcome } = await requireLifecycle(tx, lifecycleId);
    if (status === "waiting") return;
    await setLifecycleStatus(tx, { id: lifecycleId, status: "waiting" });
    await recordAudit(tx, {
      actor: startedBy,
      subject: `lifecycle/${lifecycleId}`,
      body: { kind: "lifecycle-status", status: "waiting", outcome, failureCode: null },
    });
  });
  return { waiting: true };
}

/** A person's decision over exactly the evaluation report the run produced. Postgres refuses the author's own approval. */
export async function recordDecision(
  dependencies: Dependencies,
  { lifecycleId, round, ...decision }: LifecycleRun & Decision,
): Promise<void> {
  const { database } = dependencies;
  const { evaluationId, report } = await loadStageResult(dependencies, lifecycleId, "evaluate");
  const { version } = await loadStageResult(dependencies, lifecycleId, "optimize");
  await database.transaction(async (tx) => {
    const repeated = await findApproval(tx, { lifecycle: lifecycleId, round });
    const approval = await recordApproval(tx, {
      lifecycle: lifecycleId,
      round,
      decision: decision.decision,
      decidedBy: decision.by,
      reason: decision.reason,
      evidenceDigest: report,
    });
    if (repeated) return;
    const run = await findStageRun(tx, { lifecycle: lifecycleId, stage: "approve", round });
    if (!run) throw new Error(`lifecycle ${lifecycleId}: approval without an open wait`);
    const approved = decision.decision === "approve";
    await finishStageRun(tx, {
      id: run.id,
      attempt: run.attempt,
      status: approved ? "passed" : "failed",
      verdict: approved ? "pass" : "fail",
      headline: `${decision.decision} by ${decision.by}: ${decision.reason}`,
      result: { decision: decision.decision, by: decision.by },
    });
    const lifecycle = await requireLifecycle(tx, lifecycleId);
    if (lifecycle.status === "waiting") await setLifecycleStatus(tx, { id: lifecycleId, status: "running" });
    await recordExecution(tx, {
      kind: "approve",
      lifecycle: lifecycleId,
      round,
      context: executionContext(dependencies),
      parameters: { approval: lifecycle.spec.approval },
      startedAt: run.startedAt,
      used: [
        { ref: `evaluation/${evaluationId}`, role: "evaluation" },
        { ref: `artifact/${report}`, role: "report" },
        versionAs("version", version),
      ],
      generated: [{ ref: `approval/${approval.id}`, role: "approval" }],
    });
    await recordAudit(tx, {
      actor: decision.by,
      subject: `lifecycle/${lifecycleId}`,
      body: { kind: "approval-decided", decision: decision.decision, reason: decision.reason, evidenceDigest: report },
    });
  });
}
