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
  const given = sql`unnest(
      ${sql.param(batch.map((item) => item.inferenceId))}::text[],
      ${sql.param(batch.map((item) => item.label))}::smallint[],
      ${sql.param(batch.map((item) => item.at?.toISOString() ?? null))}::timestamptz[]
    ) WITH ORDINALITY AS given (inference_id, label, at, place)`;
  const recorded = await tx.execute(sql`
    INSERT INTO feedback (inference_id, label, at)
    SELECT DISTINCT ON (inference_id) inference_id, label, coalesce(at, now()) FROM ${given} ORDER BY inference_id, place
    ON CONFLICT DO NOTHING`);
  // A statement of its own, because only then it sees the label of another transaction that the first one stepped back for.
  const conflicting = await tx.execute(sql`
    INSERT INTO feedback_conflict (inference_id, label, at)
    SELECT DISTINCT ON (given.inference_id) given.inference_id, given.label, coalesce(given.at, now())
    FROM ${given} JOIN feedback USING (inference_id)
    WHERE given.label <> feedback.label ORDER BY given.inference_id, place
    ON CONFLICT DO NOTHING`);
  return { recorded: recorded.rowCount ?? 0, conflicting: conflicting.rowCount ?? 0 };
}
