import { log } from "@temporalio/activity";
import type { LookOutcome } from "../contracts/messages.ts";
import type { Arm } from "../contracts/names.ts";
import type { RolloutLook } from "../contracts/rollout.ts";
import { guardrailRule } from "../core/rollout/guardrails.ts";
import { judgeObservation } from "../core/rollout/judge-observation.ts";
import { judgeShadow } from "../core/rollout/judge-shadow.ts";
import { judgeRollout } from "../core/rollout/judge.ts";
import { TRIPWIRE_REQUESTS } from "../core/rollout/tripwires.ts";
import type { Database, Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { observeVersion } from "../db/queries/canary-health.ts";
import { renewLease } from "../db/queries/endpoint.ts";
import { countPromoted } from "../db/queries/counted.ts";
import { countEpochs } from "../db/queries/epoch-counts.ts";
import { countShadow } from "../db/queries/gateway-report.ts";
import { runOperation } from "../db/queries/operation.ts";
import { findLook, recordLook, type Rollout } from "../db/queries/rollout.ts";
import { newestTurn } from "../db/queries/rollout-turn.ts";
import { loadRouting } from "../db/queries/routing.ts";
import type { Dependencies } from "./dependencies.ts";
import { requireRunning } from "./move-traffic.ts";
import { operationContext } from "./operation-context.ts";

interface Numbered {
  readonly rolloutId: string;
  readonly number: number;
}

/** One look of the judge over everything counted so far; the same number again is the same look. Renews the canary's lease. */
export async function lookAtRollout(
  dependencies: Dependencies,
  { step, ...numbered }: Numbered & { readonly step: number },
): Promise<LookOutcome> {
  return take(dependencies, numbered, (database, rollout) => judgeNow(database, rollout, step));
}

/** A look at the mirrored requests. */
export async function lookAtShadow(dependencies: Dependencies, numbered: Numbered): Promise<LookOutcome> {
  return take(dependencies, numbered, async (database, rollout) => {
    const { plan } = rollout;
    if (!plan.shadow) throw new Error(`rollout ${rollout.id} has no shadow phase`);
    const counts = await countShadow(database, { endpoint: rollout.endpoint, rollout: rollout.id });
    const health = await healthOf(database, rollout, "canary");
    return withBasis(rollout, judgeShadow({ plan, shadow: plan.shadow, counts, health }));
  });
}

/** A look after the promotion, while the former champion is warm. */
export async function lookAtPromotion(dependencies: Dependencies, numbered: Numbered): Promise<LookOutcome> {
  return take(dependencies, numbered, async (database, rollout) => {
    const { id, endpoint, plan } = rollout;
    const health = await healthOf(database, rollout, "champion");
    const counts = await countPromoted(database, { endpoint, rollout: id });
    return withBasis(rollout, judgeObservation({ plan, step: plan.steps.length - 1, counts, health }));
  });
}

async function take(
  { database }: Dependencies,
  { rolloutId, number }: Numbered,
  judge: (database: Database, rollout: Rollout) => Promise<RolloutLook>,
): Promise<LookOutcome> {
  const rollout = await requireRunning(database, rolloutId);
  const seen = await findLook(database, { rollout: rolloutId, number });
  const judged = seen?.look ?? (await judge(database, rollout));
  const look = await database.transaction(async (tx) => {
    await recordLook(tx, { rollout: rolloutId, number, look: judged });
    // Another attempt may have looked at the same moment; what is recorded is what counts.
    const recorded = (await findLook(tx, { rollout: rolloutId, number }))?.look ?? judged;
    if (recorded.verdict !== "rollback") await renew(tx, rollout);
    return recorded;
  });
  if (look.alarms) await page(database, rollout, number, look);
  const outcome = { verdict: look.verdict, stepDone: look.stepDone, reason: look.reason };
  if (rollout.plan.onNewCandidate !== "replace") return outcome;
  const newer = await newestTurn(database, { endpoint: rollout.endpoint, except: rolloutId });
  return { ...outcome, ...(newer !== null && { givesWayTo: newer }) };
}

/** Tells people once when an alarm begins: by the log, whose errors are what operators are paged by, and by an audit event that stays. */
async function page(
  database: Database,
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

async function judgeNow(database: Database, rollout: Rollout, step: number): Promise<RolloutLook> {
  const { id, endpoint, plan, latencyThresholdMs } = rollout;
  const firstDeployment = rollout.championVersion === null;
  const slowFrom = latencyThresholdMs ?? Number.MAX_VALUE;
  const edges = plan.guardrails.find((one) => one.name === "prediction-shift")?.edges ?? null;
  const labels = plan.guardrails.some(({ name }) => guardrailRule(name).usesLabels);
  const counts = await countEpochs(database, { endpoint, rollout: id, latencyThresholdMs: slowFrom, edges, labels });
  const health = await healthOf(database, rollout, "canary");
  return withBasis(rollout, judgeRollout({ plan, step, counts, firstDeployment, health }));
}

const healthOf = (database: Database, { id, endpoint, canaryVersion }: Rollout, arm: Arm) =>
  observeVersion(database, { endpoint, rollout: id, version: canaryVersion, arm, requests: TRIPWIRE_REQUESTS });

const withBasis = ({ planDigest, latencyThresholdMs, championVersion }: Rollout, look: RolloutLook): RolloutLook => ({
  ...look,
  basis: { planDigest, latencyThresholdMs, firstDeployment: championVersion === null },
});

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
