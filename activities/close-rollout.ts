import type { RolloutEnd, RolloutResult } from "../contracts/messages.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findVersionById } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import { endRollout, findRollout, type Rollout } from "../db/queries/rollout.ts";
import { loadRouting } from "../db/queries/routing.ts";
import { awaitConfirmation, whoConfirms } from "./confirm-traffic.ts";
import type { Dependencies } from "./dependencies.ts";
import { moveTraffic } from "./move-traffic.ts";
import { executionContext, operationContext } from "./operation-context.ts";
import { versionAs } from "./version-reference.ts";

/**
 * Ends the rollout with one last epoch: the canary becomes the champion, or the champion gets everything back. The first end stays:
 * a later call, whatever it asks for, is told how the rollout ended.
 */
export async function closeRollout(
  dependencies: Dependencies,
  { rolloutId, status, reason, hand }: RolloutEnd,
): Promise<RolloutResult> {
  const { database } = dependencies;
  const rollout = await findRollout(database, rolloutId);
  // Nothing was opened, so nothing moved.
  if (!rollout) return { rolloutId, status, reason };
  const operation = { key: `rollout/${rolloutId}/close`, request: { rolloutId }, context: operationContext() };
  const ended = await runOperation(database, operation, async (tx): Promise<RolloutResult> => {
    const [routing] = await loadRouting(tx, { endpoint: rollout.endpoint });
    const champion = status === "promoted" ? rollout.canaryVersion : rollout.championVersion;
    if (champion !== null && (status === "promoted" || routing?.canary)) {
      await moveTraffic(tx, dependencies, rollout, routing, {
        champion,
        canary: null,
        share: 0,
        reason: `rollout ${status}`,
        hand: hand && { kind: status === "promoted" ? "promote" : "rollback", ...hand },
      });
    }
    await endRollout(tx, { id: rolloutId, status, outcome: reason });
    await recordRollout(tx, dependencies, rollout);
    await recordAudit(tx, {
      actor: rollout.startedBy,
      subject: `rollout/${rolloutId}`,
      body: { kind: "rollout-ended", endpoint: rollout.endpoint, status, outcome: reason },
    });
    return { rolloutId, status, reason };
  });
  // The decision stands whether or not every gateway is there to hear it; a deaf one loses its canary with the lease.
  await awaitConfirmation(database, rollout.endpoint, whoConfirms.closing);
  return ended;
}

/** Which version was tried against which; how it ended is the rollout's own row. */
async function recordRollout(tx: Transaction, dependencies: Dependencies, rollout: Rollout): Promise<void> {
  const part = async (role: "canary" | "champion", id: string | null) => {
    const version = id === null ? null : await findVersionById(tx, id);
    return version ? [versionAs(role, version)] : [];
  };
  await recordExecution(tx, {
    kind: "rollout",
    lifecycle: rollout.lifecycle,
    context: executionContext(dependencies),
    parameters: rollout.plan,
    startedAt: rollout.startedAt,
    used: [...(await part("canary", rollout.canaryVersion)), ...(await part("champion", rollout.championVersion))],
    generated: [{ ref: `rollout/${rollout.id}`, role: "rollout" }],
  });
}
