import { sql } from "drizzle-orm";

import type { Transaction } from "../client.ts";

export interface FeedbackItem {
  readonly inferenceId: string;
  /** What came true. */
  readonly label: 0 | 1;
  /** When; null for now, database time. */
  readonly at: Date | null;
}

export interface FeedbackCounts {
  /** First labels of their predictions. */
  readonly recorded: number;
  /** Labels that contradict the first one; kept beside it, changing nothing. */
  readonly conflicting: number;
}

/**
 * Takes labels in, in any order and before or after the prediction itself is logged. The first label of a prediction wins,
 * inside a batch the earlier item; the same label again is no conflict.
 */
export async function recordFeedback(tx: Transaction, batch: readonly FeedbackItem[]): Promise<FeedbackCounts> {
  if (batch.length === 0) return { recorded: 0, conflicting: 0 };
  const { rows } = await tx.execute<{ recorded: number; conflicting: number }>(sql`
    SELECT recorded, conflicting FROM record_feedback(
      ${sql.param(batch.map((item) => item.inferenceId))}::text[],
      ${sql.param(batch.map((item) => item.label))}::smallint[],
      ${sql.param(batch.map((item) => item.at?.toISOString() ?? null))}::timestamptz[])`);
  return rows[0] ?? { recorded: 0, conflicting: 0 };
}
