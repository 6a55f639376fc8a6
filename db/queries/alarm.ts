import { and, count, desc, eq, isNull } from "drizzle-orm";

import type { AlarmKind } from "../../contracts/approval.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { alarm, alarmAcknowledgement } from "../schema/approval.ts";

/** Channel of NOTIFY on every alarm and acknowledgement; the payload is the alarm's id. */
export const ALARM_CHANNEL = "modelwright_alarm";

/** An alarm and who has seen to it. */
export interface Alarm {
  readonly id: string;
  readonly kind: AlarmKind;
  /** What it is about, as `model/NAME@N` or `monitor/ID`. */
  readonly subject: string;
  readonly text: string;
  readonly raisedAt: Date;
  readonly acknowledged: { readonly by: string; readonly reason: string; readonly at: Date } | null;
}

/** Raises an alarm; listeners hear of it when the transaction commits. The text is kept for ever: no names of people. */
export async function raiseAlarm(tx: Transaction, raised: Pick<Alarm, "kind" | "subject" | "text">): Promise<string> {
  const id = createId();
  await recordRows(tx, alarm, [{ id, ...raised }]);
  return id;
}

/** Whether nobody has acknowledged yet what is the same. */
export async function hasOpenAlarm(
  db: Queryable,
  { kind, subject }: Pick<Alarm, "kind" | "subject">,
): Promise<boolean> {
  const found = await db
    .select({ id: alarm.id })
    .from(alarm)
    .leftJoin(alarmAcknowledgement, eq(alarmAcknowledgement.alarm, alarm.id))
    .where(and(eq(alarm.kind, kind), eq(alarm.subject, subject), isNull(alarmAcknowledgement.alarm)))
    .limit(1);
  return found.length > 0;
}

/** False when somebody had acknowledged it before; the first one stays. @throws REFERENCE_UNKNOWN */
export async function acknowledgeAlarm(
  tx: Transaction,
  { id, by, reason }: { readonly id: string; readonly by: string; readonly reason: string },
): Promise<boolean> {
  const [found] = await tx.select({ id: alarm.id }).from(alarm).where(eq(alarm.id, id));
  if (!found) throw new Failure("REFERENCE_UNKNOWN", { reference: `alarm/${id}` });
  const made = await recordRows(tx, alarmAcknowledgement, [{ alarm: id, acknowledgedBy: by, reason }]);
  return made.length > 0;
}

/** Newest first: those nobody has acknowledged, or all. */
export async function listAlarms(
  db: Queryable,
  { open = false, id, limit = 100 }: { readonly open?: boolean; readonly id?: string; readonly limit?: number } = {},
): Promise<Alarm[]> {
  const rows = await db
    .select({ alarm, seen: alarmAcknowledgement })
    .from(alarm)
    .leftJoin(alarmAcknowledgement, eq(alarmAcknowledgement.alarm, alarm.id))
    .where(id !== undefined ? eq(alarm.id, id) : open ? isNull(alarmAcknowledgement.alarm) : undefined)
    .orderBy(desc(alarm.raisedAt), desc(alarm.id))
    .limit(limit);
  return rows.map(({ alarm: raised, seen }) => ({
    ...raised,
    acknowledged: seen && { by: seen.acknowledgedBy, reason: seen.reason, at: seen.acknowledgedAt },
  }));
}

/** How many alarms of each kind nobody has acknowledged. */
export async function countOpenAlarms(db: Queryable): Promise<ReadonlyMap<AlarmKind, number>> {
  const rows = await db
    .select({ kind: alarm.kind, open: count() })
    .from(alarm)
    .leftJoin(alarmAcknowledgement, eq(alarmAcknowledgement.alarm, alarm.id))
    .where(isNull(alarmAcknowledgement.alarm))
    .groupBy(alarm.kind);
  return new Map(rows.map(({ kind, open }) => [kind, open]));
}
