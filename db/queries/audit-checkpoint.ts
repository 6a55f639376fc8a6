import { desc, eq } from "drizzle-orm";

import { AUDIT_STREAM } from "../../contracts/audit.ts";
import type { Queryable, Transaction } from "../client.ts";
import { recordRows } from "../record-rows.ts";
import { auditCheckpoint } from "../schema/evidence.ts";

/** A checkpoint as the database remembers it. */
export type AuditCheckpoint = typeof auditCheckpoint.$inferSelect;

/** Remembers what was signed; what is remembered already is left out. */
export async function recordCheckpoints(
  tx: Transaction,
  signed: {
    readonly checkpoints: readonly {
      readonly stream: string;
      readonly size: number;
      readonly root: Uint8Array;
      readonly note: string;
    }[];
    readonly publicKey: string;
    readonly whole: boolean;
  },
): Promise<void> {
  const { checkpoints, publicKey, whole } = signed;
  const rows = checkpoints.map(({ stream, size, root, note }) => ({
    stream,
    size,
    root: Buffer.from(root),
    note,
    publicKey,
    whole,
  }));
  await recordRows(tx, auditCheckpoint, rows);
}

/** The newest checkpoints of a stream, the largest first. */
export async function listCheckpoints(
  db: Queryable,
  { stream = AUDIT_STREAM, limit = 25 }: { readonly stream?: string; readonly limit?: number } = {},
): Promise<AuditCheckpoint[]> {
  return await db
    .select()
    .from(auditCheckpoint)
    .where(eq(auditCheckpoint.stream, stream))
    .orderBy(desc(auditCheckpoint.size), desc(auditCheckpoint.at))
    .limit(limit);
}
