import { rollbackDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type {
  EndpointRollbackInput,
  EndpointRollbackResult,
  LifecycleRun,
  RolloutOrder,
  RolloutResult,
} from "../contracts/messages.ts";
import { rolloutIdOf } from "../contracts/names.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { findEndpoint } from "../db/queries/endpoint.ts";
import { requireLifecycle } from "../db/queries/lifecycle.ts";
import { findVersionById } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import { findFormerChampion, loadRouting } from "../db/queries/routing.ts";
import { findPassedStageRun, findStageRun, finishStageRun, startStageRun } from "../db/queries/stage-run.ts";
import { advanceRouting } from "./advance-routing.ts";
import { isApproved } from "./approval.ts";
import { authorize } from "./authorize.ts";
import { awaitConfirmation, whoConfirms } from "./confirm-traffic.ts";
import type { Dependencies } from "./dependencies.ts";
import { closeOrphan } from "./open-rollout.ts";
import { operationContext } from "./operation-context.ts";
import { loadStageResult } from "./stage.ts";
import { versionName } from "./version-reference.ts";

/**
 * Opens the deploy stage and tells the rollout what to do; null when an earlier round deployed; `unapproved` when approvals are asked
 * for that are not there or not good any more. Each round has its own rollout: evidence of another one is not its.
 */
export async function planRollout(
  dependencies: Dependencies,
  { lifecycleId, round }: LifecycleRun,
): Promise<RolloutOrder> {
  const { database } = dependencies;
  const { spec, startedBy } = await requireLifecycle(database, lifecycleId);
  if (!spec.deployment) throw new Error(`lifecycle ${lifecycleId} deploys nothing`);
  if (await findPassedStageRun(database, { lifecycle: lifecycleId, stage: "deploy" })) return null;
  if (!(await isApproved(dependencies, lifecycleId))) return "unapproved";
  const { version } = await loadStageResult(dependencies, lifecycleId, "optimize");
  await database.transaction((tx) => startStageRun(tx, { lifecycle: lifecycleId, stage: "deploy", round }));
  const { endpoint, environment, rollout: plan } = spec.deployment;
  return {
    rolloutId: rolloutIdOf(lifecycleId, round),
    endpoint,
    environment,
    versionId: version.versionId,
    startedBy,
    lifecycle: { lifecycleId, round },
    plan,
  };
}

/** Closes the deploy stage with what the rollout came to. */
export async function recordDeployment(
  dependencies: Dependencies,
  { lifecycleId, round, rollout }: LifecycleRun & { readonly rollout: RolloutResult },
): Promise<void> {
  const { database } = dependencies;
  await database.transaction(async (tx) => {
    const run = await findStageRun(tx, { lifecycle: lifecycleId, stage: "deploy", round });
    if (!run || run.finishedAt !== null) return;
    const promoted = rollout.status === "promoted";
    await finishStageRun(tx, {
      id: run.id,
      attempt: run.attempt,
      status: promoted ? "passed" : "failed",
      verdict: promoted ? "pass" : "fail",
      headline: `${rollout.status}: ${rollout.reason}`,
      result: { rolloutId: rollout.rolloutId, status: rollout.status, reason: rollout.reason },
    });
    const { startedBy } = await requireLifecycle(tx, lifecycleId);
    await recordAudit(tx, {
      actor: startedBy,
      subject: `lifecycle/${lifecycleId}`,
      body: {
        kind: "stage-finished",
        stage: "deploy",
        round,
        status: promoted ? "passed" : "failed",
        verdict: promoted ? "pass" : "fail",
        headline: rollout.status,
      },
    });
  });
}

/** Gives the endpoint back to the champion before the present one. Needs no approval: going back is the safe side. */
export async function restoreFormerChampion(
  dependencies: Dependencies,
  input: EndpointRollbackInput,
): Promise<EndpointRollbackResult> {
  const { database } = dependencies;
  const { endpoint, requestId } = input;
  const request = { endpoint };
  const { by, reason, statement } = await database.transaction(async (tx) => {
    const found = await findEndpoint(tx, endpoint);
    const place = { model: found?.model ?? null, environment: found?.environment ?? null };
    return authorize(tx, { ...rollbackDeed(input), ...place, by: input.by, reason: input.reason, proof: input.proof });
  });
  const orphan = await closeOrphan(dependencies, endpoint, { by, reason });
  const restored = await runOperation(
    database,
    { key: `endpoint-rollback/${requestId}`, request, context: operationContext() },
    async (tx) => {
      const [routing] = await loadRouting(tx, { endpoint });
      if (!routing) throw new Failure("REFERENCE_UNKNOWN", { reference: `endpoint/${endpoint}` });
      // A canary nobody looked after has gone: that was the rollback.
      if (orphan && routing.champion) return { epoch: routing.epoch, champion: versionName(routing.champion) };
      const formerId = await findFormerChampion(tx, { endpoint, champion: routing.champion?.versionId ?? null });
      const former = formerId === null ? null : await findVersionById(tx, formerId);
      if (!former) {
        throw new Failure("INPUT_INVALID", {
          where: `endpoint ${endpoint}`,
          problems: "it never had another champion; deploy a version instead",
        });
      }
      const epoch = await advanceRouting(tx, dependencies, {
        endpoint,
        expectedEpoch: routing.epoch,
        championVersion: former.id,
        canaryVersion: null,
        canaryShare: 0,
        salt: requestId,
        rollout: null,
        reason,
        createdBy: by,
        leaseMs: 0,
        hand: { kind: "rollback", by, reason },
        statement,
      });
      return { epoch, champion: versionName(former) };
    },
  );
  await awaitConfirmation(database, endpoint, whoConfirms.closing);
  return restored;
}
