import { asc, eq } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { rolloutOverride } from "../schema/rollout.ts";

export type RolloutOverride = typeof rolloutOverride.$inferSelect;

/** Keeps for ever that somebody went past the evidence of a rollout: promoted it, or gave its canary a share it had not earned. */
export async function recordOverride(tx: Transaction, override: Omit<RolloutOverride, "id" | "at">): Promise<void> {
  await recordRows(tx, rolloutOverride, [{ id: createId(), ...override }]);
}

/** Overrides of a rollout in the order they were asked for. */
export async function listOverrides(db: Queryable, rollout: string): Promise<RolloutOverride[]> {
  return await db
    .select()
    .from(rolloutOverride)
    .where(eq(rolloutOverride.rollout, rollout))
    .orderBy(asc(rolloutOverride.at), asc(rolloutOverride.id));
}
