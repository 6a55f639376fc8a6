import { eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { RetrainPolicy } from "../../contracts/spec.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { driftCheck, monitor, retrainDecision, type RetrainVerdict } from "../schema/monitor.ts";

export type RetrainDecision = typeof retrainDecision.$inferSelect;

export interface RetrainRequest {
  /** The check that found harm. */
  readonly driftCheckId: string;
  readonly policy: RetrainPolicy;
  /** Id the new lifecycle gets when the decision is `start`; derived from the check, so that a repeated call names the same. */
  readonly lifecycleId: string;
}

/**
 * Decides once for a check whether its evidence starts a lifecycle: disabled, in flight, cooldown, budget, else start, in
 * this order. Decisions of one model wait for each other, so two checks at once start one lifecycle; again for the same check,
 * the first decision is returned. Fails with REFERENCE_UNKNOWN when the check is not recorded.
 */
export async function decideRetrain(tx: Transaction, request: RetrainRequest): Promise<RetrainDecision> {
  const [check] = await tx
    .select({ monitor: monitor.id, model: monitor.model })
    .from(driftCheck)
    .innerJoin(monitor, eq(monitor.id, driftCheck.monitor))
    .where(eq(driftCheck.id, request.driftCheckId));
  if (!check) throw new Failure("REFERENCE_UNKNOWN", { reference: `drift-check/${request.driftCheckId}` });
  await tx.execute(sql`SELECT lock_model(${check.model})`);

  const before = await findRetrainDecision(tx, request.driftCheckId);
  if (before) return before;
  const [decision, reason] = judge(request.policy, await loadRetrainState(tx, check.model, request.policy));
  const [recorded] = await recordRows(tx, retrainDecision, [
    {
      id: createId(),
      ...check,
      driftCheck: request.driftCheckId,
      decision,
      reason,
      lifecycle: decision === "start" ? request.lifecycleId : null,
    },
  ]);
  if (!recorded) throw new Error(`retrain decision of ${request.driftCheckId} was not recorded`);
  return recorded;
}

/** The decision taken for a check, or null. */
export async function findRetrainDecision(db: Queryable, driftCheckId: string): Promise<RetrainDecision | null> {
  const [found] = await db.select().from(retrainDecision).where(eq(retrainDecision.driftCheck, driftCheckId));
  return found ?? null;
}

/** The lifecycle that a decision says is to start; null when it says none, or is not recorded. */
export async function findRetrainedLifecycle(db: Queryable, decision: string): Promise<string | null> {
  const [found] = await db
    .select({ lifecycle: retrainDecision.lifecycle })
    .from(retrainDecision)
    .where(eq(retrainDecision.id, decision));
  return found?.lifecycle ?? null;
}

interface RetrainState {
  /** A lifecycle of the model that runs or waits, or was decided and is about to start. */
  readonly inFlight: string | null;
  readonly sinceLastMs: number | null;
  readonly startsInWindow: number;
}

function judge(policy: RetrainPolicy, state: RetrainState): [RetrainVerdict, string] {
  if (!policy.enabled) return ["disabled", "the policy does not retrain"];
  if (state.inFlight !== null) return ["in-flight", `lifecycle ${state.inFlight} of this model has not ended`];
  if (state.sinceLastMs !== null && state.sinceLastMs < policy.cooldownMs) {
    const since = Math.max(0, Math.round(state.sinceLastMs));
    return ["cooldown", `the last retraining was ${since} ms ago, allowed every ${policy.cooldownMs} ms`];
  }
  const used = `${state.startsInWindow} of ${policy.budget} retrainings used in ${policy.budgetWindowMs} ms`;
  return state.startsInWindow >= policy.budget ? ["budget", used] : ["start", used];
}

async function loadRetrainState(tx: Transaction, name: string, policy: RetrainPolicy): Promise<RetrainState> {
  // A decision whose lifecycle has no row yet is in flight too, or the next check would start a second one in between. After a
  // day it counts as lost, so that a lifecycle that never came up blocks nothing for ever.
  const { rows } = await tx.execute<{ in_flight: string | null; since_last: number | null; starts: number }>(sql`
    SELECT
      coalesce(
        (SELECT id FROM lifecycle WHERE model = ${name} AND status IN ('running', 'waiting') ORDER BY started_at LIMIT 1),
        (SELECT decided.lifecycle FROM retrain_decision AS decided
         WHERE decided.model = ${name} AND decided.decision = 'start' AND decided.at > clock_timestamp() - interval '1 day'
           AND NOT EXISTS (SELECT FROM lifecycle WHERE lifecycle.id = decided.lifecycle) LIMIT 1)
      ) AS in_flight,
      (SELECT extract(epoch FROM clock_timestamp() - max(at))::float8 * 1000 FROM retrain_decision
       WHERE model = ${name} AND decision = 'start') AS since_last,
      (SELECT count(*)::int FROM retrain_decision WHERE model = ${name} AND decision = 'start'
         AND at > clock_timestamp() - ${policy.budgetWindowMs}::float8 * interval '1 millisecond') AS starts`);
  const state = rows[0];
  return {
    inFlight: state?.in_flight ?? null,
    sinceLastMs: state?.since_last ?? null,
    startsInWindow: state?.starts ?? 0,
  };
}
