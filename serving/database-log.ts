import { Failure } from "../contracts/failures.ts";
import type { FeedbackRequest, PredictionRecord } from "../contracts/inference.ts";
import type { Database } from "../db/client.ts";
import { recordFeedback } from "../db/queries/feedback.ts";
import { ensurePredictionPartitions, insertPredictions } from "../db/queries/prediction.ts";
import type { FeedbackOutcome } from "./handlers.ts";

const AHEAD_DAYS = 3;
const PARTITIONS_EVERY_MS = 6 * 3600 * 1000;

export interface DatabaseLog {
  readonly insert: (rows: readonly PredictionRecord[]) => Promise<void>;
  readonly recordFeedback: (labels: FeedbackRequest["feedback"]) => Promise<FeedbackOutcome>;
}

/** The prediction log and its labels in Postgres. */
export function createDatabaseLog(database: Database): DatabaseLog {
  let partitionsMadeAt = Number.NEGATIVE_INFINITY;
  return {
    insert: async (rows) => {
      if (Date.now() - partitionsMadeAt > PARTITIONS_EVERY_MS) {
        await database.transaction((tx) => ensurePredictionPartitions(tx, { aheadDays: AHEAD_DAYS }));
        partitionsMadeAt = Date.now();
      }
      await insertPredictions(
        database,
        rows.map(({ versionId, ...row }) => ({ ...row, modelVersion: versionId, features: null })),
      );
    },
    recordFeedback: async (labels) => {
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
    },
  };
}

/**
 * True when Postgres read the statement and refused its values (SQLSTATE classes 22 and 23): sending them again is refused
 * again. A lost connection, a full disk or a lock is not.
 */
export function isRefusedByPostgres(problem: unknown): boolean {
  for (let thrown = problem; thrown instanceof Error; thrown = thrown.cause) {
    if ("code" in thrown && typeof thrown.code === "string" && /^2[23][0-9A-Z]{3}$/.test(thrown.code)) return true;
  }
  return false;
}
