import { Failure } from "../contracts/failures.ts";
import type { ByHand, ShareChange } from "../contracts/messages.ts";
import type { Database, Transaction } from "../db/client.ts";
import { runOperation } from "../db/queries/operation.ts";
import { findRollout, findRunningRollout, type Rollout } from "../db/queries/rollout.ts";
import { loadRouting, type Routing } from "../db/queries/routing.ts";
import { advanceRouting, type Hand } from "./advance-routing.ts";
import { awaitConfirmation, whoConfirms } from "./confirm-traffic.ts";
import type { Dependencies } from "./dependencies.ts";
import { withdrawWhileSilent } from "./even-without-postgres.ts";
import { operationContext } from "./operation-context.ts";

/** Mirrors requests to the candidate, which has no share yet; once. */
export async function beginShadow(dependencies: Dependencies, { rolloutId }: { rolloutId: string }): Promise<void> {
  await moveOnce(dependencies, rolloutId, "shadow", ({ championVersion, canaryVersion, plan }) => ({
    champion: championVersion,
    canary: canaryVersion,
    share: 0,
    shadow: plan.shadow?.share ?? 0,
    reason: "shadow",
  }));
}

/** Gives the canary the step's share by compare-and-set, once: a repeated call, at once or after a continued run, changes nothing. */
export async function shiftTraffic(
  dependencies: Dependencies,
  { rolloutId, step }: { rolloutId: string; step: number },
): Promise<void> {
  await moveOnce(dependencies, rolloutId, `step/${step}`, ({ championVersion, canaryVersion, plan }) => {
    const share = plan.steps[step];
    if (share === undefined) throw new RangeError(`rollout ${rolloutId} has no step ${step}`);
    const reason = `step ${step + 1} of ${plan.steps.length}`;
    return { champion: championVersion, canary: canaryVersion, share, reason };
  });
}

/** Everything to the new version, with the former champion beside it, warm and without a share: going back is one epoch and no load. */
export async function promoteCanary(
  dependencies: Dependencies,
  { rolloutId, hand }: { rolloutId: string; hand?: ByHand },
): Promise<void> {
  await moveOnce(dependencies, rolloutId, "promote", ({ championVersion, canaryVersion }) => ({
    champion: canaryVersion,
    canary: championVersion,
    share: 0,
    reason: "promoted and observed, the former champion kept warm",
    hand: hand && { kind: "promote", ...hand },
  }));
}

/** Gives the canary the share that somebody set, or the plan's own again, once for each number. */
export async function setShare(dependencies: Dependencies, change: ShareChange): Promise<void> {
  const { rolloutId, number, basisPoints, by, reason } = change;
  await moveOnce(dependencies, rolloutId, `share/${number}`, ({ championVersion, canaryVersion }) => ({
    champion: championVersion,
    canary: canaryVersion,
    share: basisPoints,
    reason,
    ...(by !== null && { hand: { kind: "share", by, reason } }),
  }));
}

/** One move of a running rollout under a key of its own. */
async function moveOnce(
  dependencies: Dependencies,
  rolloutId: string,
  key: string,
  to: (rollout: Rollout) => Move,
): Promise<void> {
  const { database } = dependencies;
  const rollout = await requireRunning(database, rolloutId);
  const move = to(rollout);
  const request = { share: move.share };
  const operation = { key: `rollout/${rolloutId}/${key}`, request, context: operationContext() };
  await runOperation(database, operation, async (tx) => {
    const [routing] = await loadRouting(tx, { endpoint: rollout.endpoint });
    await moveTraffic(tx, dependencies, rollout, routing, move);
    return null;
  });
}

/**
 * Everything back to the champion: the first thing a rollout does that does not promote, in a transaction of its own, so that nothing
 * else it has to record can keep the traffic where it is; and not even Postgres itself, where gateways can be told directly.
 */
export async function withdrawCanary(
  dependencies: Dependencies,
  { rolloutId, endpoint, hand }: { readonly rolloutId: string; readonly endpoint?: string; readonly hand?: ByHand },
): Promise<void> {
  const withdrawing = withdraw(dependencies, rolloutId, hand);
  // Runs of earlier releases do not say what endpoint it is.
  if (endpoint !== undefined) await withdrawWhileSilent(dependencies, endpoint, withdrawing);
  const withdrawn = await withdrawing;
  if (withdrawn !== null) await awaitConfirmation(dependencies.database, withdrawn, whoConfirms.closing);
}

/** The endpoint whose traffic is back; null where the rollout has none. */
async function withdraw(
  dependencies: Dependencies,
  rolloutId: string,
  hand: ByHand | undefined,
): Promise<string | null> {
  const { database } = dependencies;
  const rollout = await findRollout(database, rolloutId);
  if (!rollout || rollout.status !== "running" || rollout.championVersion === null) return null;
  const operation = { key: `rollout/${rolloutId}/withdraw`, request: {}, context: operationContext() };
  await runOperation(database, operation, async (tx) => {
    const [routing] = await loadRouting(tx, { endpoint: rollout.endpoint });
    if (routing?.rollout !== rolloutId || !routing.canary) return null;
    await moveTraffic(tx, dependencies, rollout, routing, {
      champion: rollout.championVersion,
      canary: null,
      share: 0,
      reason: "canary withdrawn",
      hand: hand && { kind: "rollback", ...hand },
    });
    return null;
  });
  return rollout.endpoint;
}

/** The same shares in an epoch of its own, once for each key: what gateways withdrew for somebody who may not ask for it is void with it. */
export async function shareAgain(dependencies: Dependencies, endpoint: string, key: string): Promise<void> {
  const { database } = dependencies;
  const rollout = await findRunningRollout(database, endpoint);
  if (!rollout) return;
  await runOperation(database, { key, request: { endpoint }, context: operationContext() }, async (tx) => {
    const [routing] = await loadRouting(tx, { endpoint });
    if (routing?.rollout !== rollout.id || !routing.canary || !routing.champion) return null;
    await moveTraffic(tx, dependencies, rollout, routing, {
      champion: routing.champion.versionId,
      canary: routing.canary.versionId,
      share: routing.canaryShare,
      shadow: routing.shadowShare,
      reason: "its withdrawal was refused",
    });
    return null;
  });
}

interface Move {
  readonly champion: string | null;
  readonly canary: string | null;
  readonly share: number;
  /** Basis points of the champion's requests that are mirrored; none by default. */
  readonly shadow?: number;
  readonly reason: string;
  /** Who wants it, when it is not the rollout itself. */
  readonly hand?: Hand | undefined;
}

/** One epoch of a rollout, by compare-and-set on the one that was read in the same transaction. */
export async function moveTraffic(
  tx: Transaction,
  dependencies: Dependencies,
  rollout: Rollout,
  routing: Routing | undefined,
  to: Move,
): Promise<void> {
  await advanceRouting(tx, dependencies, {
    endpoint: rollout.endpoint,
    expectedEpoch: routing?.epoch ?? 0,
    championVersion: to.champion,
    canaryVersion: to.canary,
    canaryShare: to.share,
    shadowShare: to.shadow ?? 0,
    // Evidence that goes on needs the same keys in the same arms.
    salt: rollout.continues ?? rollout.id,
    rollout: rollout.id,
    reason: to.reason,
    createdBy: rollout.startedBy,
    leaseMs: rollout.plan.leaseMs,
    hand: to.hand,
  });
}

/** @throws REFERENCE_UNKNOWN, INPUT_INVALID when it has ended */
export async function requireRunning(database: Database, rolloutId: string): Promise<Rollout> {
  const rollout = await findRollout(database, rolloutId);
  if (!rollout) throw new Failure("REFERENCE_UNKNOWN", { reference: `rollout/${rolloutId}` });
  if (rollout.status !== "running") {
    const problems = `it ended as ${rollout.status} and moves no traffic any more; start another rollout`;
    throw new Failure("INPUT_INVALID", { where: `rollout ${rolloutId}`, problems });
  }
  return rollout;
}
