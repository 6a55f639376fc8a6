import { log } from "@temporalio/activity";
import type { LookOutcome, RolloutResult } from "../contracts/messages.ts";
import type { RolloutLook } from "../contracts/rollout.ts";
import { guardrailRule } from "../core/rollout/guardrails.ts";
import { judgeRollout } from "../core/rollout/judge.ts";
import { TRIPWIRE_REQUESTS } from "../core/rollout/tripwires.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { renewLease } from "../db/queries/endpoint.ts";
import { observeCanary } from "../db/queries/canary-health.ts";
import { countEpochs } from "../db/queries/epoch-counts.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { findVersionById } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import { endRollout, findLook, findRollout, recordLook, type Rollout } from "../db/queries/rollout.ts";
import { loadRouting } from "../db/queries/routing.ts";
import { awaitConfirmation, whoConfirms } from "./confirm-traffic.ts";
import type { Dependencies } from "./dependencies.ts";
import { moveTraffic, requireRunning } from "./move-traffic.ts";
import { executionContext, operationContext } from "./operation-context.ts";
import { versionAs } from "./version-reference.ts";

/** One look of the judge over everything counted so far; the same number again is the same look. Renews the canary's lease. */
export async function lookAtRollout(
  { database }: Dependencies,
  { rolloutId, step, number }: { rolloutId: string; step: number; number: number },
): Promise<LookOutcome> {
  const rollout = await requireRunning(database, rolloutId);
  const seen = await findLook(database, { rollout: rolloutId, number });
  const judged = seen?.look ?? (await judgeNow(database, rollout, step));
  const look = await database.transaction(async (tx) => {
    await recordLook(tx, { rollout: rolloutId, number, look: judged });
    // Another attempt may have looked at the same moment; what is recorded is what counts.
    const recorded = (await findLook(tx, { rollout: rolloutId, number }))?.look ?? judged;
    if (recorded.verdict !== "rollback") await renew(tx, rollout);
    return recorded;
  });
  if (look.alarms) await page(database, rollout, number, look);
  return { verdict: look.verdict, stepDone: look.stepDone, reason: look.reason };
}

/** Tells people once when an alarm begins: by the log, whose errors are what operators are paged by, and by an audit event that stays. */
async function page(
  database: Dependencies["database"],
  { id, endpoint, startedBy }: Rollout,
  number: number,
  { alarms = [], reason }: RolloutLook,
): Promise<void> {
  const before = (await findLook(database, { rollout: id, number: number - 1 }))?.look.alarms ?? [];
  const begun = alarms.filter((alarm) => !before.includes(alarm));
  if (begun.length === 0) return;
  const operation = { key: `rollout/${id}/alarm/${number}`, request: { alarms: begun }, context: operationContext() };
  await runOperation(database, operation, async (tx) => {
    const body = { kind: "rollout-alarmed" as const, endpoint, look: number, alarms: begun };
    await recordAudit(tx, { actor: startedBy, subject: `rollout/${id}`, body });
    return null;
  });
  log.error(`rollout ${id} on ${endpoint} holds and needs somebody: ${reason}`, { alarms: begun });
}

async function judgeNow(database: Dependencies["database"], rollout: Rollout, step: number): Promise<RolloutLook> {
  const { id, endpoint, plan, planDigest, latencyThresholdMs } = rollout;
  const firstDeployment = rollout.championVersion === null;
  const slowFrom = latencyThresholdMs ?? Number.MAX_VALUE;
  const edges = plan.guardrails.find((one) => one.name === "prediction-shift")?.edges ?? null;
  const labels = plan.guardrails.some(({ name }) => guardrailRule(name).usesLabels);
  const counts = await countEpochs(database, { endpoint, rollout: id, latencyThresholdMs: slowFrom, edges, labels });
  const health = await observeCanary(database, { endpoint, rollout: id, requests: TRIPWIRE_REQUESTS });
  const look = judgeRollout({ plan, step, counts, firstDeployment, health });
  return { ...look, basis: { planDigest, latencyThresholdMs, firstDeployment } };
}

export async function renewRolloutLease(
  { database }: Dependencies,
  { rolloutId }: { rolloutId: string },
): Promise<void> {
  const rollout = await requireRunning(database, rolloutId);
  await database.transaction((tx) => renew(tx, rollout));
}

async function renew(tx: Transaction, { id, endpoint, plan }: Rollout): Promise<void> {
  const [routing] = await loadRouting(tx, { endpoint });
  if (routing?.rollout === id) await renewLease(tx, { endpoint, epoch: routing.epoch, leaseMs: plan.leaseMs });
}

/**
 * Ends the rollout with one last epoch: the canary becomes the champion, or the champion gets everything back. The first end stays:
 * a later call, whatever it asks for, is told how the rollout ended.
 */
export async function closeRollout(
  dependencies: Dependencies,
  { rolloutId, status, reason }: RolloutResult,
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
      await moveTraffic(tx, rollout, routing, { champion, canary: null, share: 0, reason: `rollout ${status}` });
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
