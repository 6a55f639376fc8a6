import { asc, eq, sql } from "drizzle-orm";

import type {
  AuditLog,
  AuditProblem,
  AuditVerification,
  AuditVerificationOptions,
  Tile,
  TileName,
  VerifiedEvent,
} from "../../contracts/audit-log.ts";
import { sha256 } from "../canonical.ts";
import { reachDisk, type Database, type Queryable } from "../client.ts";
import { auditHead } from "../schema/evidence.ts";

/** The audit log as it lies in a database. */
export const createAuditLog = (database: Database): AuditLog => ({
  heads: async () => {
    const heads = await database
      .select({ stream: auditHead.stream, size: auditHead.seq })
      .from(auditHead)
      .orderBy(asc(auditHead.stream));
    return heads;
  },
  verify: (options) => verifyAudit(database, options),
  keepNodes: async (stream) => {
    await database.execute(sql`SELECT keep_audit_nodes(${stream})`);
  },
  onDisk: () => reachDisk(database),
  tiles: (stream, wanted) => loadTiles(database, stream, wanted),
});

/**
 * Recomputes every hash of one stream, or of all, a page at a time and in one snapshot. A stream asked for by name that is
 * not there counts as missing. What it cannot see is a chain rewritten as a whole, head included: that takes a signed
 * checkpoint kept elsewhere, which the events told to `onEvent` are compared with.
 */
export async function verifyAudit(
  db: Database,
  { stream, after = 0, onEvent = () => undefined }: AuditVerificationOptions = {},
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
        const { right, problem } = await verifyStream(tx, head, after, onEvent);
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
  after: number,
  onEvent: (event: VerifiedEvent) => void,
): Promise<StreamVerification> {
  const { stream } = head;
  let hash: Uint8Array | null = after === 0 ? Buffer.alloc(32) : await loadHash(db, stream, after);
  if (!hash) return { right: 0, problem: { seq: after, kind: head.seq < after ? "truncated" : "missing" } };
  let seq = after;
  let pending = loadPage(db, stream, seq);
  for (;;) {
    const page = await pending;
    // Postgres reads the next page while this one is hashed.
    if (page.length === PAGE) pending = loadPage(db, stream, seq + PAGE);
    for (const event of page) {
      const problem = problemOf(event, stream, seq + 1, hash);
      if (problem) {
        await pending;
        return { right: seq - after, problem: { seq: seq + 1, kind: problem } };
      }
      hash = event.hash;
      seq += 1;
      onEvent({ stream, seq, body: event.body });
    }
    if (page.length < PAGE) break;
  }
  const right = seq - after;
  if (seq < head.seq) return { right, problem: { seq: seq + 1, kind: "truncated" } };
  if (seq > head.seq || !head.hash.equals(hash)) return { right, problem: { seq: head.seq, kind: "modified" } };
  return { right };
}

const PAGE = 1000;

interface StoredEvent extends Record<string, unknown> {
  readonly seq: string;
  readonly at: string;
  readonly actor: string;
  readonly kind: string;
  readonly subject: string;
  readonly body: Buffer;
  readonly previousHash: Buffer;
  readonly hash: Buffer;
}

/** Rows as the driver gives them: mapping a million of them through the query builder takes as long as hashing them. */
async function loadPage(db: Queryable, stream: string, after: number): Promise<StoredEvent[]> {
  const { rows } = await db.execute<StoredEvent>(sql`
    SELECT seq, to_char(at AT TIME ZONE 'UTC', ${INSTANT_FORMAT}) AS at, actor, kind, subject, body,
      previous_hash AS "previousHash", hash
    FROM audit_event WHERE stream = ${stream} AND seq > ${after} ORDER BY seq LIMIT ${PAGE}`);
  return rows;
}

async function loadHash(db: Queryable, stream: string, seq: number): Promise<Buffer | null> {
  const { rows } = await db.execute<{ hash: Buffer }>(
    sql`SELECT hash FROM audit_event WHERE stream = ${stream} AND seq = ${seq}`,
  );
  return rows[0]?.hash ?? null;
}

/** What is wrong with an event that should be number `seq` and follow `previous`, or null. */
function problemOf(event: StoredEvent, stream: string, seq: number, previous: Uint8Array): AuditProblem["kind"] | null {
  if (Number(event.seq) !== seq) return "missing";
  const asRecorded = event.previousHash.equals(previous) && event.hash.equals(sha256(previous, event.body));
  return asRecorded && columnsAgree(event, stream, seq) ? null : "modified";
}

/** As `lock_audit_head` writes it. */
const INSTANT_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';

/**
 * The columns are for searching; an auditor who reads them must read what was hashed. Compared field by field and not by
 * the contract, so that events of earlier releases stay verifiable.
 */
function columnsAgree(event: StoredEvent, stream: string, seq: number): boolean {
  const hashed = parseJson(event.body) as Partial<Record<string, unknown>> | null;
  const body = hashed?.["body"] as Partial<Record<string, unknown>> | null | undefined;
  return (
    hashed?.["stream"] === stream &&
    hashed["seq"] === seq &&
    hashed["at"] === event.at &&
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

/** Leaves are hashed where they lie: 8 KB a tile travel, whatever the events weigh. */
async function loadTiles(db: Queryable, stream: string, wanted: readonly TileName[]): Promise<Tile[]> {
  const { rows } = await db.execute<{ level: number; tile: string; hashes: Buffer }>(sql`
    SELECT level, tile, hashes FROM jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) AS wanted (level smallint, tile bigint),
      LATERAL (
        SELECT string_agg(sha256('\\x00'::bytea || body), '' ORDER BY seq) AS hashes FROM audit_event
          WHERE level = 0 AND stream = ${stream} AND seq > tile * 256 AND seq <= tile * 256 + 256
        UNION ALL
        SELECT string_agg(hash, '' ORDER BY index) FROM audit_node
          WHERE wanted.level > 0 AND stream = ${stream} AND audit_node.level = wanted.level
            AND index >= tile * 256 AND index < tile * 256 + 256
      ) AS found
    WHERE hashes IS NOT NULL`);
  return rows.map(({ level, tile, hashes }) => ({ level, tile: Number(tile), hashes }));
}
