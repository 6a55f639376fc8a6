import { and, asc, desc, eq, gt, inArray, ne, sql } from "drizzle-orm";

import type { Queryable } from "../client.ts";
import { rowsOf } from "../record-rows.ts";
import { rollout, rolloutTurn } from "../schema/rollout.ts";

/** Who was not asked for that long is forgotten. */
const isAskedFor = gt(rolloutTurn.askedAt, sql`clock_timestamp() - interval '30 minutes'`);

// One statement each, on any connection: who waits is observed state, and says so again and again.

/** Says that a rollout waits for its endpoint, and returns those before it that still do, oldest first. */
export async function takeTurn(db: Queryable, { id, endpoint }: { id: string; endpoint: string }): Promise<string[]> {
  const [own] = await rowsOf(db, rolloutTurn, sql`take_turn(${id}, ${endpoint})`);
  if (!own) throw new Error(`the turn of rollout ${id} was not recorded`);
  const before = await db
    .select()
    .from(rolloutTurn)
    .where(and(eq(rolloutTurn.endpoint, endpoint), sql`${rolloutTurn.number} < ${own.number}`))
    .orderBy(asc(rolloutTurn.number));
  return before.map(({ rollout }) => rollout);
}

/** Whether a rollout waits. */
export async function isWaiting(db: Queryable, id: string): Promise<boolean> {
  return (await db.select().from(rolloutTurn).where(eq(rolloutTurn.rollout, id))).length > 0;
}

/** It waits no more. */
export async function endTurn(db: Queryable, id: string): Promise<void> {
  await db.execute(sql`SELECT end_turn(${id})`);
}

/** The newest rollout that waits for an endpoint, or null. */
export async function newestTurn(
  db: Queryable,
  { endpoint, except }: { endpoint: string; except: string },
): Promise<string | null> {
  const [newest] = await db
    .select()
    .from(rolloutTurn)
    .where(and(eq(rolloutTurn.endpoint, endpoint), ne(rolloutTurn.rollout, except), isAskedFor))
    .orderBy(desc(rolloutTurn.number))
    .limit(1);
  return newest?.rollout ?? null;
}

/** A rollout that waits for its endpoint. */
export interface WaitingRollout {
  readonly rolloutId: string;
  readonly endpoint: string;
  /** Rollouts whose end it waits for: the one that runs, then those that came before it. */
  readonly behind: readonly string[];
}

/** Every rollout that waits, by endpoint and in the order in which they came. */
export async function listTurns(db: Queryable): Promise<WaitingRollout[]> {
  const turns = await db.select().from(rolloutTurn).where(isAskedFor).orderBy(rolloutTurn.endpoint, rolloutTurn.number);
  const endpoints = turns.map(({ endpoint }) => endpoint);
  const running = await db
    .select({ id: rollout.id, endpoint: rollout.endpoint })
    .from(rollout)
    .where(and(eq(rollout.status, "running"), inArray(rollout.endpoint, endpoints)));
  const ahead = new Map(running.map(({ id, endpoint }) => [endpoint, [id]]));
  return turns.map(({ rollout: rolloutId, endpoint }) => {
    const behind = ahead.get(endpoint) ?? [];
    ahead.set(endpoint, [...behind, rolloutId]);
    return { rolloutId, endpoint, behind };
  });
}
