import { and, asc, desc, eq, getTableColumns, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { LifecycleStatus } from "../../contracts/names.ts";
import type { LifecycleSpec } from "../../contracts/spec.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { recordRows } from "../record-rows.ts";
import { approval } from "../schema/approval.ts";
import { lifecycle, stageRun } from "../schema/lifecycle.ts";
import type { StageRun } from "./stage-run.ts";

export type Lifecycle = typeof lifecycle.$inferSelect;
export type LifecycleSummary = Omit<Lifecycle, "spec">;

export interface LifecycleRequest {
  readonly id: string;
  /** As accepted, defaults resolved; its model exists. From here on it does not change. */
  readonly spec: LifecycleSpec;
  readonly startedBy: string;
  readonly reason: string;
  /** Id of the retrain decision that started it. */
  readonly causedBy: string | null;
}

/** Records an accepted spec. The same id with the same spec is the same lifecycle; with another, OPERATION_CONFLICT. */
export async function createLifecycle(tx: Transaction, request: LifecycleRequest): Promise<Lifecycle> {
  const specDigest = digestOf(request.spec);
  await recordRows(tx, lifecycle, [{ ...request, model: request.spec.model.name, specDigest }]);
  const found = await requireLifecycle(tx, request.id);
  if (found.specDigest !== specDigest) throw new Failure("OPERATION_CONFLICT", { key: `lifecycle/${request.id}` });
  return found;
}

export interface LifecycleStatusChange {
  readonly id: string;
  readonly status: LifecycleStatus;
  /** What people read about the end; left as it is when absent. */
  readonly outcome?: string;
  /** With `failed` only. */
  readonly failureCode?: string | null;
}

/**
 * Moves a lifecycle on. The same status again changes nothing. Completed, rejected and aborted are final, `failed` may run
 * again: the database refuses anything else. Fails with LIFECYCLE_UNKNOWN.
 */
export async function setLifecycleStatus(tx: Transaction, change: LifecycleStatusChange): Promise<LifecycleSummary> {
  const { id, status, outcome = null, failureCode = null } = change;
  await tx.execute(sql`SELECT FROM set_lifecycle_status(${id}, ${status}, ${outcome}, ${failureCode})`);
  const [changed] = await tx.select(summaryColumns()).from(lifecycle).where(eq(lifecycle.id, id));
  if (!changed) throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: id });
  return changed;
}

/** Newest first; `before` is the id of the last one of the page before. */
export async function listLifecycles(
  db: Queryable,
  options: { model?: string; limit?: number; before?: string } = {},
): Promise<LifecycleSummary[]> {
  const { model, limit = 50, before } = options;
  return await db
    .select(summaryColumns())
    .from(lifecycle)
    .where(
      and(
        model === undefined ? undefined : eq(lifecycle.model, model),
        before === undefined
          ? undefined
          : sql`(${lifecycle.startedAt}, ${lifecycle.id}) < (SELECT started_at, id FROM lifecycle WHERE id = ${before})`,
      ),
    )
    .orderBy(desc(lifecycle.startedAt), desc(lifecycle.id))
    .limit(limit);
}

export interface LifecycleRecord extends Lifecycle {
  /** In the order they started. */
  readonly stages: readonly StageRun[];
  readonly approvals: readonly (typeof approval.$inferSelect)[];
}

/** A lifecycle with its stage runs and approvals, or null. */
export async function loadLifecycle(db: Queryable, id: string): Promise<LifecycleRecord | null> {
  const [found] = await db.select().from(lifecycle).where(eq(lifecycle.id, id));
  if (!found) return null;
  const stages = await db
    .select()
    .from(stageRun)
    .where(eq(stageRun.lifecycle, id))
    .orderBy(asc(stageRun.round), asc(stageRun.startedAt), asc(stageRun.id));
  const approvals = await db
    .select()
    .from(approval)
    .where(eq(approval.lifecycle, id))
    .orderBy(asc(approval.decidedAt), asc(approval.id));
  return { ...found, stages, approvals };
}

/** The lifecycle alone; fails with LIFECYCLE_UNKNOWN. */
export async function requireLifecycle(db: Queryable, id: string): Promise<Lifecycle> {
  const [found] = await db.select().from(lifecycle).where(eq(lifecycle.id, id));
  if (!found) throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: id });
  return found;
}

function summaryColumns() {
  const { spec: _, ...columns } = getTableColumns(lifecycle);
  return columns;
}
