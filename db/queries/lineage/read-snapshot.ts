import { eq, sql } from "drizzle-orm";

import { AUDIT_STREAM } from "../../../contracts/audit.ts";
import type { AuditPosition, Completeness } from "../../../contracts/lineage.ts";
import type { Database, Queryable } from "../../client.ts";
import { auditHead } from "../../schema/evidence.ts";

/** What is true of everything read in one snapshot. */
export interface Snapshot {
  readonly readAt: AuditPosition;
  /** While the edges of the release before are still there, an application of that release may be writing them. */
  readonly olderRelease: boolean;
}

/** Asks everything in one snapshot of the database, and says at which position of the audit log that was. */
export async function readSnapshot<Answer>(
  db: Database,
  ask: (tx: Queryable, snapshot: Snapshot) => Promise<Answer>,
): Promise<Answer> {
  return await db.transaction(
    async (tx) => {
      const [head] = await tx
        .select({
          seq: auditHead.seq,
          hash: auditHead.hash,
          older: sql<boolean>`to_regclass('public.lineage_edge') IS NOT NULL`,
        })
        .from(sql`(SELECT 1) AS one`)
        .leftJoin(auditHead, eq(auditHead.stream, AUDIT_STREAM));
      const hash = Buffer.from(head?.hash ?? Buffer.alloc(32)).toString("hex");
      const readAt = { stream: AUDIT_STREAM, seq: head?.seq ?? 0, hash };
      return await ask(tx, { readAt, olderRelease: head?.older ?? false });
    },
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
}

/** What an answer says of itself: that it is the whole, or by what it was cut. */
export function sayWhole(
  { readAt, olderRelease }: Snapshot,
  { cut, nodeCount, edgeCount }: { readonly cut: boolean; readonly nodeCount: number; readonly edgeCount: number },
): Completeness {
  const truncatedBy = cut ? "limit" : olderRelease ? "older-release" : null;
  return { complete: truncatedBy === null, truncatedBy, nodeCount, edgeCount, readAt };
}
