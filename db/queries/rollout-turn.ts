import { and, asc, desc, eq, gt, ne, sql } from "drizzle-orm";

import type { Queryable } from "../client.ts";
import { rowsOf } from "../record-rows.ts";
import { rolloutTurn } from "../schema/rollout.ts";

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
    .where(
      and(
        eq(rolloutTurn.endpoint, endpoint),
        ne(rolloutTurn.rollout, except),
        gt(rolloutTurn.askedAt, sql`clock_timestamp() - interval '30 minutes'`),
      ),
    )
    .orderBy(desc(rolloutTurn.number))
    .limit(1);
  return newest?.rollout ?? null;
}
