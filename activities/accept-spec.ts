import { Failure } from "../contracts/failures.ts";
import type { AcceptedSpec, LifecycleInput } from "../contracts/messages.ts";
import { lifecycleSpecSchema, type LifecycleSpec } from "../contracts/spec.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { createLifecycle, loadLifecycle, setLifecycleStatus } from "../db/queries/lifecycle.ts";
import { ensureModel } from "../db/queries/model.ts";
import type { Dependencies } from "./dependencies.ts";
import { runStage } from "./stage.ts";

/**
 * The authoritative parse: defaults resolved, gates and seeds recorded before anything is measured. The recorded spec is the one
 * the run uses; a retried round keeps it.
 */
export async function acceptSpec(dependencies: Dependencies, input: LifecycleInput): Promise<AcceptedSpec> {
  const { database } = dependencies;
  const recorded = await loadLifecycle(database, input.lifecycleId);
  // A round is run once, and only a failed lifecycle has another: whoever uses the id of an ended one wants a new lifecycle.
  const mayRun =
    !recorded || ["running", "waiting"].includes(recorded.status) || (recorded.status === "failed" && input.round > 1);
  if (!mayRun) throw new Failure("OPERATION_CONFLICT", { key: `lifecycle/${input.lifecycleId}` });
  const spec = recorded && input.round > 1 ? recorded.spec : parse(input);
  await database.transaction(async (tx) => {
    await ensureModel(tx, spec.model);
    const lifecycle = await createLifecycle(tx, {
      id: input.lifecycleId,
      spec,
      startedBy: input.startedBy,
      reason: input.causedBy === null ? "" : "retraining asked for by a drift check",
      causedBy: input.causedBy,
    });
    if (recorded === null) {
      await recordAudit(tx, {
        actor: input.startedBy,
        subject: `lifecycle/${input.lifecycleId}`,
        body: {
          kind: "lifecycle-started",
          model: spec.model.name,
          specDigest: lifecycle.specDigest,
          reason: lifecycle.reason,
          causedBy: input.causedBy,
        },
      });
    } else if (recorded.status === "failed") {
      const outcome = `round ${input.round}`;
      await setLifecycleStatus(tx, { id: input.lifecycleId, status: "running", outcome });
      await recordAudit(tx, {
        actor: input.retriedBy ?? input.startedBy,
        subject: `lifecycle/${input.lifecycleId}`,
        body: { kind: "lifecycle-status", status: "running", outcome, failureCode: null },
      });
    }
  });
  await runStage(dependencies, input, "accept", async ({ lifecycle }) => ({
    verdict: "pass",
    headline: `${spec.evaluation.gates.length} gates fixed, spec ${lifecycle.specDigest.slice(0, 12)}`,
    record: async () => ({ specDigest: lifecycle.specDigest }),
  }));
  return {
    approvalRequired: spec.approval.required,
    endpoint: spec.deployment?.endpoint ?? null,
    monitored: spec.monitoring !== undefined && spec.deployment !== undefined,
    trainingTimeoutMs: spec.training.timeoutMs,
  };
}

function parse(input: LifecycleInput): LifecycleSpec {
  const parsed = lifecycleSpecSchema.safeParse(input.spec);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .map((issue) => `  ${issue.path.join(".") || "(top)"}: ${issue.message}`)
    .join("\n");
  throw new Failure("SPEC_INVALID", { path: `lifecycle ${input.lifecycleId}`, problems });
}
