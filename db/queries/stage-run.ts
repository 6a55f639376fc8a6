import { and, desc, eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { Stage, StageStatus, Verdict } from "../../contracts/names.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import type { JsonValue } from "../json.ts";
import { rowsOf } from "../record-rows.ts";
import { stageRun } from "../schema/lifecycle.ts";

export type StageRun = typeof stageRun.$inferSelect;

export interface StageRunKey {
  readonly lifecycle: string;
  readonly stage: Stage;
  readonly round: number;
}

/**
 * Starts a stage, or starts it again. Each start takes a new attempt number, which `finishStageRun` wants back, so that an
 * attempt believed dead cannot overwrite the one that took over. A run that passed or was inconclusive is returned untouched.
 */
export async function startStageRun(
  tx: Transaction,
  { config = null, ...key }: StageRunKey & { readonly config?: JsonValue },
): Promise<StageRun> {
  const [started] = await rowsOf(
    tx,
    stageRun,
    sql`start_stage_run(${createId()}, ${key.lifecycle}, ${key.stage}, ${key.round}, ${json(config)})`,
  );
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
  const [finished] = await rowsOf(
    tx,
    stageRun,
    sql`finish_stage_run(${end.id}, ${end.attempt}, ${end.status}, ${end.verdict ?? null}, ${json(end.result)},
      ${json(end.failure)}, ${end.headline ?? null})`,
  );
  if (finished) return finished;
  const [found] = await tx.select().from(stageRun).where(eq(stageRun.id, end.id));
  if (!found) throw new Error(`stage run ${end.id} does not exist`);
  if (found.attempt !== end.attempt || found.status !== end.status) {
    throw new Failure("STALE_ATTEMPT", {
      stage: `lifecycle ${found.lifecycle}, ${found.stage}, round ${found.round}`,
      attempt: end.attempt,
      current: found.attempt,
    });
  }
  return found;
}

/** Nothing and JSON's null are both a column without a value. */
const json = (value: JsonValue | undefined) => (value === undefined || value === null ? null : JSON.stringify(value));

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
