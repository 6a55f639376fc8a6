import { and, desc, eq, notInArray, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { Stage, StageStatus, Verdict } from "../../contracts/names.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import type { JsonValue } from "../json.ts";
import { stageRun } from "../schema/lifecycle.ts";

export type StageRun = typeof stageRun.$inferSelect;

export interface StageRunKey {
  readonly lifecycle: string;
  readonly stage: Stage;
  readonly round: number;
}

/** Verdicts that stay; a failed or cancelled run may be started again. */
const FINAL: StageStatus[] = ["passed", "inconclusive"];

/**
 * Starts a stage, or starts it again. Each start takes a new attempt number, which `finishStageRun` wants back, so that an
 * attempt believed dead cannot overwrite the one that took over. A run that passed or was inconclusive is returned untouched.
 */
export async function startStageRun(
  tx: Transaction,
  { config = null, ...key }: StageRunKey & { readonly config?: JsonValue },
): Promise<StageRun> {
  const [started] = await tx
    .insert(stageRun)
    .values({ id: createId(), ...key, config })
    .onConflictDoUpdate({
      target: [stageRun.lifecycle, stageRun.stage, stageRun.round],
      set: {
        attempt: sql`${stageRun.attempt} + 1`,
        status: "running",
        config: sql`excluded.config`,
        verdict: null,
        result: null,
        failure: null,
        headline: null,
      },
      setWhere: notInArray(stageRun.status, FINAL),
    })
    .returning();
  const run = started ?? (await findStageRun(tx, key));
  if (!run) throw new Error(`stage run ${key.lifecycle}/${key.stage}/${key.round} vanished`);
  return run;
}

export interface StageRunEnd {
  readonly id: string;
  /** As `startStageRun` gave it. */
  readonly attempt: number;
  /** `waiting` is no end: the same attempt finishes later. */
  readonly status: Exclude<StageStatus, "running">;
  readonly verdict?: Verdict;
  readonly result?: JsonValue;
  readonly failure?: JsonValue;
  readonly headline?: string;
}

/**
 * Records how a stage ended. The same end of the same attempt again changes nothing. Fails with STALE_ATTEMPT when a newer
 * attempt started since, or this one ended otherwise: the caller's transaction then records nothing at all.
 */
export async function finishStageRun(tx: Transaction, end: StageRunEnd): Promise<StageRun> {
  const [found] = await tx.select().from(stageRun).where(eq(stageRun.id, end.id)).for("update");
  if (!found) throw new Error(`stage run ${end.id} does not exist`);
  const open = found.finishedAt === null;
  if (found.attempt !== end.attempt || (!open && found.status !== end.status)) {
    throw new Failure("STALE_ATTEMPT", {
      stage: `lifecycle ${found.lifecycle}, ${found.stage}, round ${found.round}`,
      attempt: end.attempt,
      current: found.attempt,
    });
  }
  if (!open) return found;
  const [finished] = await tx
    .update(stageRun)
    .set({
      status: end.status,
      verdict: end.verdict ?? null,
      result: end.result ?? null,
      failure: end.failure ?? null,
      headline: end.headline ?? null,
    })
    .where(eq(stageRun.id, end.id))
    .returning();
  return finished ?? found;
}

/** The run of a stage in exactly this round, or null. */
export async function findStageRun(db: Queryable, { lifecycle, stage, round }: StageRunKey): Promise<StageRun | null> {
  const [found] = await db
    .select()
    .from(stageRun)
    .where(and(eq(stageRun.lifecycle, lifecycle), eq(stageRun.stage, stage), eq(stageRun.round, round)));
  return found ?? null;
}

/** The newest passed run of a stage, whatever its round, or null: what a retried lifecycle keeps of earlier rounds. */
export async function findPassedStageRun(
  db: Queryable,
  { lifecycle, stage }: Pick<StageRunKey, "lifecycle" | "stage">,
): Promise<StageRun | null> {
  const [found] = await db
    .select()
    .from(stageRun)
    .where(and(eq(stageRun.lifecycle, lifecycle), eq(stageRun.stage, stage), eq(stageRun.status, "passed")))
    .orderBy(desc(stageRun.round))
    .limit(1);
  return found ?? null;
}
