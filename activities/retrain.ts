import { Failure } from "../contracts/failures.ts";
import type { RetrainOutcome } from "../contracts/messages.ts";
import type { DataWindow } from "../contracts/primitives.ts";
import type { LifecycleSpec } from "../contracts/spec.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireLifecycle } from "../db/queries/lifecycle.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findDriftCheckById, findMonitor } from "../db/queries/monitor.ts";
import { decideRetrain as decide, findRetrainDecision } from "../db/queries/retrain.ts";
import type { Dependencies } from "./dependencies.ts";
import { executionContext } from "./operation-context.ts";

/** Retraining is asked for by the policy, so no person is its author and any person may approve it. */
export const RETRAIN_POLICY = "service/retrain-policy";

/** Whether a check's harm starts a lifecycle: cooldown, budget, single flight. Decided once for a check. */
export async function decideRetrain(
  dependencies: Dependencies,
  { driftCheckId }: { driftCheckId: string },
): Promise<RetrainOutcome> {
  const { database } = dependencies;
  const check = await findDriftCheckById(database, driftCheckId);
  const monitor = check && (await findMonitor(database, check.monitor));
  if (!monitor || monitor.lifecycle === null)
    throw new Failure("REFERENCE_UNKNOWN", { reference: `drift-check/${driftCheckId}` });
  const { spec } = await requireLifecycle(database, monitor.lifecycle);
  const policy = monitor.spec.retrain;

  const decision = await database.transaction(async (tx) => {
    const repeated = await findRetrainDecision(tx, driftCheckId);
    const lifecycleId = `${monitor.model}-retrain-${driftCheckId.slice(-12)}`;
    const decided = await decide(tx, { driftCheckId, policy, lifecycleId });
    if (repeated) return decided;
    const subject = `retrain-decision/${decided.id}`;
    await recordExecution(tx, {
      kind: "retrain-decision",
      lifecycle: monitor.lifecycle,
      context: executionContext(dependencies),
      parameters: policy,
      used: [{ ref: `drift-check/${driftCheckId}`, role: "drift-check" }],
      generated: [
        { ref: subject, role: "decision" },
        ...(decided.lifecycle ? [{ ref: `lifecycle/${decided.lifecycle}`, role: "lifecycle" as const }] : []),
      ],
    });
    await recordAudit(tx, {
      actor: RETRAIN_POLICY,
      subject,
      body: {
        kind: "retrain-decided",
        driftCheck: driftCheckId,
        decision: decided.decision,
        reason: decided.reason,
        lifecycle: decided.lifecycle,
      },
    });
    return decided;
  });
  if (decision.lifecycle === null) return { decision: decision.decision, lifecycle: null };
  return {
    decision: decision.decision,
    lifecycle: {
      lifecycleId: decision.lifecycle,
      round: 1,
      spec: policy.windows === "slide" ? slide(spec, check.window.to) : spec,
      startedBy: RETRAIN_POLICY,
      causedBy: decision.id,
    },
  };
}

/** Both windows moved by whole days, so that the evaluation window ends where the drifted window ends. */
function slide(spec: LifecycleSpec, end: string): LifecycleSpec {
  const { training, evaluation } = spec.data.windows;
  const dayMs = 24 * 3600 * 1000;
  const days = Math.floor((instant(end) - instant(evaluation.to)) / dayMs);
  const moved = (window: DataWindow): DataWindow => ({
    from: shift(window.from, days * dayMs),
    to: shift(window.to, days * dayMs),
  });
  return { ...spec, data: { ...spec.data, windows: { training: moved(training), evaluation: moved(evaluation) } } };
}

/** Data times carry no zone; they are counted as UTC. */
function instant(written: string): number {
  const at = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(written) ? written : `${written.replace(" ", "T")}Z`);
  if (Number.isNaN(at)) {
    throw new Failure("INPUT_INVALID", {
      where: "data.windows",
      problems: `"${written}" is not a date or timestamp, so the windows cannot slide; set monitoring.retrain.windows to same`,
    });
  }
  return at;
}

const shift = (written: string, byMs: number) =>
  new Date(instant(written) + byMs).toISOString().slice(0, 19).replace("T", " ");
