import { and, asc, eq, gt, inArray, sql } from "drizzle-orm";

import { AUDIT_STREAM, auditEventSchema, type AuditBody } from "../../contracts/audit.ts";
import { canonicalBytes, sha256 } from "../canonical.ts";
import type { Database, Queryable, Transaction } from "../client.ts";
import { auditEvent, auditHead } from "../schema/evidence.ts";

export interface AuditRequest {
  readonly stream?: string;
  readonly actor: string;
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
  const { rows } = await tx.execute<{ seq: string; at: string }>(sql`SELECT seq, at FROM lock_audit_head(${stream})`);
  const head = rows[0];
  if (!head) throw new Error(`audit stream ${stream} has no head`);
  const seq = Number(head.seq) + 1;
  const { actor, subject } = request;
  const event = auditEventSchema.parse({ stream, seq, at: head.at, actor, subject, body: request.body });
  await tx.execute(sql`SELECT append_audit_event(${stream}, ${seq}, ${canonicalBytes(event)})`);
  return seq;
}

export interface AuditProblem {
  readonly stream: string;
  /** Number of the first event that is not as it was recorded. */
  readonly seq: number;
  readonly kind: "modified" | "missing" | "truncated";
}

export interface AuditVerification {
  readonly ok: boolean;
  /** Events found right, in all streams together. */
  readonly events: number;
  /** The first problem of the first stream that has one. */
  readonly problem?: AuditProblem;
}

const PAGE = 1000;

/** An event that was found as it was recorded. */
export interface VerifiedEvent {
  readonly stream: string;
  readonly seq: number;
  /** The stored canonical bytes. */
  readonly body: Uint8Array;
}

export interface AuditVerificationOptions {
  /** All of them unless told. */
  readonly stream?: string;
  /** Told every event found right, in order, stream after stream, up to the first problem. */
  readonly onEvent?: (event: VerifiedEvent) => void;
}

/**
 * Recomputes every hash of one stream, or of all, a page at a time and in one snapshot. A stream asked for by name that is
 * not there counts as missing. What it cannot see is a chain rewritten as a whole, head included: that takes a signed
 * checkpoint kept elsewhere, which the events told to `onEvent` are compared with.
 */
export async function verifyAudit(
  db: Database,
  { stream, onEvent = () => undefined }: AuditVerificationOptions = {},
): Promise<AuditVerification> {
  return await db.transaction(
    async (tx) => {
      const heads = await tx
        .select()
        .from(auditHead)
        .where(stream === undefined ? undefined : eq(auditHead.stream, stream))
        .orderBy(asc(auditHead.stream));
      if (stream !== undefined && heads.length === 0) {
        return { ok: false, events: 0, problem: { stream, seq: 1, kind: "missing" } };
      }
      let events = 0;
      for (const head of heads) {
        const { right, problem } = await verifyStream(tx, head, onEvent);
        events += right;
        if (problem) return { ok: false, events, problem: { stream: head.stream, ...problem } };
      }
      return { ok: true, events };
    },
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
}

interface StreamVerification {
  readonly right: number;
  readonly problem?: Omit<AuditProblem, "stream">;
}

async function verifyStream(
  db: Queryable,
  head: typeof auditHead.$inferSelect,
  onEvent: (event: VerifiedEvent) => void,
): Promise<StreamVerification> {
  let hash: Uint8Array = Buffer.alloc(32);
  let seq = 0;
  for (;;) {
    const page = await db
      .select({ event: auditEvent, at: sql<string>`to_char(${auditEvent.at} AT TIME ZONE 'UTC', ${INSTANT_FORMAT})` })
      .from(auditEvent)
      .where(and(eq(auditEvent.stream, head.stream), gt(auditEvent.seq, seq)))
      .orderBy(asc(auditEvent.seq))
      .limit(PAGE);
    for (const { event, at } of page) {
      if (event.seq !== seq + 1) return { right: seq, problem: { seq: seq + 1, kind: "missing" } };
      const computed = sha256(hash, event.body);
      const asRecorded = event.previousHash.equals(hash) && event.hash.equals(computed) && columnsAgree(event, at);
      if (!asRecorded) return { right: seq, problem: { seq: event.seq, kind: "modified" } };
      hash = computed;
      seq = event.seq;
      onEvent({ stream: head.stream, seq, body: event.body });
    }
    if (page.length < PAGE) break;
  }
  if (seq < head.seq) return { right: seq, problem: { seq: seq + 1, kind: "truncated" } };
  if (seq > head.seq || !head.hash.equals(hash)) return { right: seq, problem: { seq: head.seq, kind: "modified" } };
  return { right: seq };
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

/** As `lock_audit_head` writes it. */
const INSTANT_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';

/**
 * The columns are for searching; an auditor who reads them must read what was hashed. Compared field by field and not by
 * the contract, so that events of earlier releases stay verifiable.
 */
function columnsAgree(event: typeof auditEvent.$inferSelect, at: string): boolean {
  const hashed = parseJson(event.body) as Partial<Record<string, unknown>> | null;
  const body = hashed?.["body"] as Partial<Record<string, unknown>> | null | undefined;
  return (
    hashed?.["stream"] === event.stream &&
    hashed["seq"] === event.seq &&
    hashed["at"] === at &&
    hashed["actor"] === event.actor &&
    hashed["subject"] === event.subject &&
    body?.["kind"] === event.kind
  );
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}
