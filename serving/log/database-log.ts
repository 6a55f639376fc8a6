import { Failure } from "../../contracts/failures.ts";
import type { FeedbackRequest, LogBatch } from "../../contracts/inference.ts";
import type { Database } from "../../db/client.ts";
import { recordFeedback } from "../../db/queries/feedback.ts";
import { shipGatewayLog } from "../../db/queries/gateway-log.ts";
import { ensurePredictionPartitions } from "../../db/queries/prediction.ts";
import type { FeedbackOutcome } from "../handlers.ts";

const AHEAD_DAYS = 3;
const PARTITIONS_EVERY_MS = 6 * 3600 * 1000;

export interface DatabaseLog {
  /** Takes a stretch of a gateway's journal once; returns the place behind which it wants the next one. */
  readonly ship: (batch: LogBatch) => Promise<number>;
  readonly recordFeedback: (labels: FeedbackRequest["feedback"]) => Promise<FeedbackOutcome>;
}

/** Counts, the prediction log and its labels in Postgres. `gateway`: who brings them. */
export function createDatabaseLog(database: Database, gateway: string): DatabaseLog {
  let partitionsMadeAt = Number.NEGATIVE_INFINITY;
  return {
    ship: async (batch) => {
      if (Date.now() - partitionsMadeAt > PARTITIONS_EVERY_MS) {
        await database.transaction((tx) => ensurePredictionPartitions(tx, { aheadDays: AHEAD_DAYS }));
        partitionsMadeAt = Date.now();
      }
      return await shipGatewayLog(database, { ...batch, gateway });
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
