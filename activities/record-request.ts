import { Context } from "@temporalio/activity";
import { requestDeed } from "../contracts/deeds.ts";
import { isFailure } from "../contracts/failures.ts";
import type { RecordedRequest } from "../contracts/messages.ts";
import type { Place } from "../core/identity/judge-authority.ts";
import type { Database, Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { findEndpoint } from "../db/queries/endpoint.ts";
import { loadLifecycle } from "../db/queries/lifecycle.ts";
import { runOperation } from "../db/queries/operation.ts";
import type { Attribution } from "../db/queries/person.ts";
import { findRollout } from "../db/queries/rollout.ts";
import { recordOverride } from "../db/queries/rollout-override.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { withdrawWhileSilent } from "./even-without-postgres.ts";
import { shareAgain } from "./move-traffic.ts";
import { operationContext } from "./operation-context.ts";

/**
 * Whether somebody may ask a run for something, as a pause or an abort; and remembers who and why, and for ever where he goes past the
 * evidence. The run does it after that, and speaks of him by what this returns: pseudonym and commitment. One thing does not wait: while
 * Postgres does not answer, whoever wants a canary back has it back at the gateways, and if he may not, it has its share again after that.
 */
export async function recordRequest(dependencies: Dependencies, asked: RecordedRequest): Promise<Attribution> {
  const { database } = dependencies;
  const { workflowId, runId, activityId } = operationContext();
  const key = `request/${workflowId}/${runId}/${activityId}`;
  const recording = record(database, key, asked);
  if (asked.withdraws === undefined) return recording;
  const withdrawn = await withdrawWhileSilent(dependencies, asked.withdraws, recording);
  try {
    return await recording;
  } catch (thrown) {
    // An attempt before this one may have withdrawn too.
    const isUndone = withdrawn || Context.current().info.attempt > 1;
    if (isUndone && isFailure(thrown) && !thrown.retryable) {
      await shareAgain(dependencies, asked.withdraws, `${key}/refused`);
    }
    throw thrown;
  }
}

async function record(database: Database, key: string, asked: RecordedRequest): Promise<Attribution> {
  const { subject, request, share, by, reason, proof } = asked;
  const override = request === "promote" || share?.override === true;
  const context = operationContext();
  return runOperation(database, { key, request: { subject, request, ...share }, context }, async (tx) => {
    const place = await placeOf(tx, subject);
    const who = await authorize(tx, { ...requestDeed(asked), ...place, by, reason, proof });
    if (override) {
      const canaryShare = share?.basisPoints ?? null;
      const rollout = subject.slice("rollout/".length);
      await recordOverride(tx, { rollout, canaryShare, askedBy: who.by, reason: who.reason, statement: who.statement });
    }
    const past = { ...(override && { override: true as const }), ...(share && { canaryShare: share.basisPoints }) };
    const body = { kind: "request-made", request, reason: who.reason, ...past } as const;
    await recordAudit(tx, { actor: who.by, statement: who.statement, subject, body });
    return { by: who.by, reason: who.reason };
  });
}

/** What a lifecycle or rollout is of. One that is not recorded yet is of nothing. */
async function placeOf(tx: Transaction, subject: string): Promise<Place> {
  const [kind, id] = [subject.slice(0, subject.indexOf("/")), subject.slice(subject.indexOf("/") + 1)];
  if (kind === "lifecycle") {
    const lifecycle = await loadLifecycle(tx, id);
    return { model: lifecycle?.model ?? null, environment: lifecycle?.spec.deployment?.environment ?? null };
  }
  const rollout = await findRollout(tx, id);
  const endpoint = rollout && (await findEndpoint(tx, rollout.endpoint));
  return { model: rollout?.model ?? null, environment: endpoint?.environment ?? null };
}
