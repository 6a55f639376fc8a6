import { Failure } from "../contracts/failures.ts";
import type { FeedbackRequest } from "../contracts/inference.ts";
import type { Database } from "../db/client.ts";
import { recordFeedback } from "../db/queries/feedback.ts";
import type { FeedbackOutcome } from "./handlers.ts";

/**
 * Joins labels with what was predicted, in Postgres.
 *
 * @throws STORAGE_UNAVAILABLE
 */
export async function recordLabels(database: Database, labels: FeedbackRequest["feedback"]): Promise<FeedbackOutcome> {
  const items = labels.map(({ inference_id, label, at }) => ({
    inferenceId: inference_id,
    label,
    at: at === undefined ? null : new Date(at),
  }));
  try {
    const { recorded, conflicting } = await database.transaction((tx) => recordFeedback(tx, items));
    return { received: items.length, recorded, conflicting };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure("STORAGE_UNAVAILABLE", { what: "the feedback log", reason }, { cause });
  }
}
