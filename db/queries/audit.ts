import { and, asc, eq, inArray, sql } from "drizzle-orm";

import { AUDIT_STREAM, auditEntrySchema, type AuditBody } from "../../contracts/audit.ts";
import { canonicalText } from "../canonical.ts";
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

/** The body as an event has it: checked, and canonical. */
export const auditBodyText = (body: AuditBody): string => canonicalText(auditEntrySchema.shape.body.parse(body));

/**
 * Appends an event to its stream in the transaction that does what it tells of, chained by
 * `SHA-256(previous hash || canonical bytes)`. Holds the stream's head until the transaction ends, and everybody else who records
 * waits as long: record it last. Returns the event's number.
 */
export async function recordAudit(tx: Transaction, request: AuditRequest): Promise<number> {
  const { actor, statement: digest, ...told } = request;
  const { stream, statement, subject, body } = auditEntrySchema.parse({
    stream: AUDIT_STREAM,
    ...told,
    ...(digest && { statement: digest }),
  });
  const { rows } = await tx.execute<{ seq: string }>(
    sql`SELECT record_audit(${stream}, ${actor}, ${statement ?? null}, ${subject}, ${canonicalText(body)}) AS seq`,
  );
  return Number(rows[0]?.seq);
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
