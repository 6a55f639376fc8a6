import { and, asc, desc, eq, sql } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows, rowsOf } from "../record-rows.ts";
import { driftCheck, monitor } from "../schema/monitor.ts";

export type Monitor = typeof monitor.$inferSelect;
export type DriftCheck = typeof driftCheck.$inferSelect;

/** Makes a monitor; the same id again is the same monitor. Its baseline profile is a registered artifact. */
export async function createMonitor(tx: Transaction, values: Omit<Monitor, "active" | "createdAt">): Promise<Monitor> {
  await recordRows(tx, monitor, [values]);
  const found = await findMonitor(tx, values.id);
  if (!found) throw new Error(`monitor ${values.id} vanished`);
  return found;
}

export async function setMonitorActive(
  tx: Transaction,
  { id, active }: { id: string; active: boolean },
): Promise<Monitor | null> {
  const [changed] = await rowsOf(tx, monitor, sql`set_monitor_active(${id}, ${active})`);
  return changed ?? null;
}

export async function findMonitor(db: Queryable, id: string): Promise<Monitor | null> {
  const [found] = await db.select().from(monitor).where(eq(monitor.id, id));
  return found ?? null;
}

/** Active monitors, of one model or of all, by id. */
export async function listMonitors(db: Queryable, options: { model?: string } = {}): Promise<Monitor[]> {
  return await db
    .select()
    .from(monitor)
    .where(and(eq(monitor.active, true), options.model === undefined ? undefined : eq(monitor.model, options.model)))
    .orderBy(asc(monitor.id));
}

/**
 * Records one check. A monitor has one check a scheduled time: a repeated one returns the first record, whatever it found.
 */
export async function recordDriftCheck(
  tx: Transaction,
  values: Omit<DriftCheck, "id" | "createdAt">,
): Promise<DriftCheck> {
  await recordRows(tx, driftCheck, [{ ...values, id: createId() }]);
  const found = await findDriftCheck(tx, values);
  if (!found) throw new Error(`drift check of ${values.monitor} vanished`);
  return found;
}

/** The check of a scheduled time, or null while there is none. */
export async function findDriftCheck(
  db: Queryable,
  wanted: Pick<DriftCheck, "monitor" | "scheduledAt">,
): Promise<DriftCheck | null> {
  const [found] = await db
    .select()
    .from(driftCheck)
    .where(and(eq(driftCheck.monitor, wanted.monitor), eq(driftCheck.scheduledAt, wanted.scheduledAt)));
  return found ?? null;
}

export async function findDriftCheckById(db: Queryable, id: string): Promise<DriftCheck | null> {
  const [found] = await db.select().from(driftCheck).where(eq(driftCheck.id, id));
  return found ?? null;
}

/** Checks of a monitor, the latest scheduled time first. */
export async function listDriftChecks(db: Queryable, monitorId: string, limit = 100): Promise<DriftCheck[]> {
  return await db
    .select()
    .from(driftCheck)
    .where(eq(driftCheck.monitor, monitorId))
    .orderBy(desc(driftCheck.scheduledAt))
    .limit(limit);
}
