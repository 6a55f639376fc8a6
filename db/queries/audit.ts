import { and, asc, eq, inArray, sql } from "drizzle-orm";

import { AUDIT_STREAM, auditEventSchema, type AuditBody } from "../../contracts/audit.ts";
import { canonicalBytes } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { auditEvent } from "../schema/evidence.ts";

export interface AuditRequest {
  readonly stream?: string;
  /** A name or a ref; the event has the ref. */
  readonly actor: string;
  /** Of the signed statement that proves the actor asked for it: SHA-256 of its canonical JSON. */
  readonly statement?: string | null;
  /** What it is about: `lifecycle/ID`, `model/NAME@N`, `endpoint/NAME`, ... */
  readonly subject: string;
  readonly body: AuditBody;
}

/**
 * Appends an event to its stream in the transaction that does what it tells of, chained by
 * `SHA-256(previous hash || canonical bytes)`. Holds the stream's head until the transaction ends: record it last.
 * Returns the event's number. The database refuses an event that does not follow the head.
 */
export async function recordAudit(tx: Transaction, request: AuditRequest): Promise<number> {
  const stream = request.stream ?? AUDIT_STREAM;
  // The ref first: giving a new name its pseudonym needs no lock on the head.
  const { rows } = await tx.execute<{ seq: string; at: string; actor: string }>(
    sql`SELECT head.seq, head.at, actor.ref AS actor FROM actor_ref(${request.actor}) AS actor (ref), lock_audit_head(${stream}) AS head`,
  );
  const head = rows[0];
  if (!head) throw new Error(`audit stream ${stream} has no head`);
  const seq = Number(head.seq) + 1;
  const { subject, statement } = request;
  const proof = statement ? { statement } : {};
  const event = auditEventSchema.parse({
    stream,
    seq,
    at: head.at,
    actor: head.actor,
    ...proof,
    subject,
    body: request.body,
  });
  await tx.execute(sql`SELECT append_audit_event(${stream}, ${seq}, ${canonicalBytes(event)})`);
  return seq;
}

/** An event as it is stored. */
export interface StoredAuditEvent {
  readonly seq: number;
  readonly kind: string;
  readonly subject: string;
  readonly body: Uint8Array;
}

/** Events about any of the subjects, in the order of the stream. */
export async function listAuditEvents(
  db: Queryable,
  { subjects, stream = AUDIT_STREAM }: { readonly subjects: readonly string[]; readonly stream?: string },
): Promise<StoredAuditEvent[]> {
  const { seq, kind, subject, body } = auditEvent;
  return await db
    .select({ seq, kind, subject, body })
    .from(auditEvent)
    .where(and(eq(auditEvent.stream, stream), inArray(subject, [...subjects])))
    .orderBy(asc(seq))
    .limit(100_000);
}
