import type { LifecycleResult, LifecycleRun } from "../contracts/messages.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { loadLifecycle, setLifecycleStatus } from "../db/queries/lifecycle.ts";
import { finishStageRun } from "../db/queries/stage-run.ts";
import type { Dependencies } from "./dependencies.ts";

/** Records how a lifecycle ended and closes the stage it ended in. A spec that was never accepted left nothing to close. */
export async function endLifecycle(
  { database }: Dependencies,
  {
    lifecycleId,
    status,
    reason,
    failureCode,
  }: LifecycleRun & LifecycleResult & { readonly failureCode: string | null },
): Promise<void> {
  await database.transaction(async (tx) => {
    const lifecycle = await loadLifecycle(tx, lifecycleId);
    if (!lifecycle || !["running", "waiting"].includes(lifecycle.status)) return;
    for (const run of lifecycle.stages.filter((stage) => stage.finishedAt === null)) {
      const stopped = status === "aborted" || status === "rejected";
      await finishStageRun(tx, {
        id: run.id,
        attempt: run.attempt,
        status: stopped ? "cancelled" : "failed",
        headline: reason,
        failure: { code: failureCode ?? status.toUpperCase(), message: reason },
      });
    }
    await setLifecycleStatus(tx, { id: lifecycleId, status, outcome: reason, failureCode });
    await recordAudit(tx, {
      actor: lifecycle.startedBy,
      subject: `lifecycle/${lifecycleId}`,
      body: { kind: "lifecycle-status", status, outcome: reason, failureCode },
    });
  });
}
