import { and, asc, eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { RolloutStatus } from "../../contracts/names.ts";
import type { RolloutLook, RolloutPlan } from "../../contracts/rollout.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { recordRows, rowsOf } from "../record-rows.ts";
import { deploymentLook, rollout } from "../schema/rollout.ts";
import { findEndpoint } from "./endpoint.ts";

export type Rollout = typeof rollout.$inferSelect;
export type DeploymentLook = typeof deploymentLook.$inferSelect;

export interface RolloutRequest {
  readonly id: string;
  /** Made before, of the versions' model. */
  readonly endpoint: string;
  readonly lifecycle: string | null;
  /** As parsed: the plan the whole rollout is judged by. */
  readonly plan: RolloutPlan;
  readonly championVersion: string | null;
  readonly canaryVersion: string;
  /** Frozen with the plan; null without a latency guardrail or a champion. */
  readonly latencyThresholdMs: number | null;
  readonly startedBy: string;
  /** The first rollout whose evidence goes on in this one; null, the default, where it begins with none. */
  readonly continues?: string | null;
}

/**
 * Starts a rollout, the endpoint's one writer until it ends; the same id again is the same rollout. Fails with ENDPOINT_BUSY
 * while another one runs, REFERENCE_UNKNOWN without the endpoint.
 */
export async function startRollout(tx: Transaction, request: RolloutRequest): Promise<Rollout> {
  const target = await findEndpoint(tx, request.endpoint);
  if (!target) throw new Failure("REFERENCE_UNKNOWN", { reference: `endpoint/${request.endpoint}` });
  await recordRows(tx, rollout, [{ ...request, model: target.model, planDigest: digestOf(request.plan) }]);
  const found = await findRollout(tx, request.id);
  if (found) return found;
  const running = await findRunningRollout(tx, request.endpoint);
  throw new Failure("ENDPOINT_BUSY", { endpoint: request.endpoint, rollout: running?.id ?? "(just ended)" });
}

/** Ends a rollout; its endpoint is free. The same end again changes nothing, another one is refused by the database. */
export async function endRollout(
  tx: Transaction,
  end: { id: string; status: Exclude<RolloutStatus, "running">; outcome: string },
): Promise<Rollout> {
  const [ended] = await rowsOf(tx, rollout, sql`end_rollout(${end.id}, ${end.status}, ${end.outcome})`);
  const found = ended ?? (await findRollout(tx, end.id));
  if (!found) throw new Failure("REFERENCE_UNKNOWN", { reference: `rollout/${end.id}` });
  return found;
}

export async function findRollout(db: Queryable, id: string): Promise<Rollout | null> {
  const [found] = await db.select().from(rollout).where(eq(rollout.id, id));
  return found ?? null;
}

export async function findRunningRollout(db: Queryable, endpoint: string): Promise<Rollout | null> {
  const [found] = await db
    .select()
    .from(rollout)
    .where(and(eq(rollout.endpoint, endpoint), eq(rollout.status, "running")));
  return found ?? null;
}

/** Keeps one look of the judge; the first record of a number stays. */
export async function recordLook(
  tx: Transaction,
  { rollout: id, number, look }: { rollout: string; number: number; look: RolloutLook },
): Promise<void> {
  await recordRows(tx, deploymentLook, [{ rollout: id, number, verdict: look.verdict, look }]);
}

/** The look of a number, or null while it was not taken. */
export async function findLook(
  db: Queryable,
  { rollout: id, number }: { rollout: string; number: number },
): Promise<DeploymentLook | null> {
  const [found] = await db
    .select()
    .from(deploymentLook)
    .where(and(eq(deploymentLook.rollout, id), eq(deploymentLook.number, number)));
  return found ?? null;
}

/** Looks of a rollout in order. */
export async function listLooks(db: Queryable, id: string): Promise<DeploymentLook[]> {
  return await db
    .select()
    .from(deploymentLook)
    .where(eq(deploymentLook.rollout, id))
    .orderBy(asc(deploymentLook.number));
}

/** A lifecycle's rollouts, one a round that got so far, in the order they started. */
export async function listRollouts(db: Queryable, { lifecycle }: { readonly lifecycle: string }): Promise<Rollout[]> {
  return await db.select().from(rollout).where(eq(rollout.lifecycle, lifecycle)).orderBy(asc(rollout.startedAt));
}

/** Digest of the plan exactly as it is stored, before any parsing; null for an unknown rollout. */
export async function digestStoredPlan(db: Queryable, id: string): Promise<string | null> {
  const [found] = await db
    .select({ plan: sql<string>`${rollout.plan}::text` })
    .from(rollout)
    .where(eq(rollout.id, id));
  return found ? digestOf(JSON.parse(found.plan)) : null;
}
