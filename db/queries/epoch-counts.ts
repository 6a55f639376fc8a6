import { sql } from "drizzle-orm";

import { BASIS_POINTS } from "../../contracts/names.ts";
import { epochCountsSchema, type ArmCounts, type EpochCounts } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";

export interface CountsRequest {
  readonly endpoint: string;
  /** Its epochs with a canary are counted. */
  readonly rollout: string;
  /** A request that takes longer is slow. */
  readonly latencyThresholdMs: number;
}

interface CountRow extends Record<string, unknown> {
  readonly epoch: number;
  readonly canary_share: number;
  readonly arm: "champion" | "canary" | null;
  readonly requests: string;
  readonly errors: string;
  readonly slow: string;
  readonly labelled: string;
  readonly wrong: string;
}

const none: ArmCounts = { champion: 0, canary: 0 };

/**
 * What each epoch of a rollout has counted so far, ascending; epochs in which the canary had a share, those without a request
 * too. A labelled request is one whose decision and label are known; it is wrong when they differ.
 */
export async function countEpochs(db: Queryable, request: CountsRequest): Promise<EpochCounts[]> {
  const { rows } = await db.execute<CountRow>(sql`
    WITH wanted AS (
      SELECT epoch, canary_share, created_at FROM routing_epoch
      WHERE endpoint = ${request.endpoint} AND rollout = ${request.rollout} AND canary_share > 0
    )
    SELECT wanted.epoch, wanted.canary_share, prediction.arm,
      count(prediction.inference_id) AS requests,
      count(*) FILTER (WHERE prediction.outcome = 'error') AS errors,
      count(*) FILTER (WHERE prediction.latency_ms > ${request.latencyThresholdMs}::float8) AS slow,
      count(*) FILTER (WHERE prediction.decision IS NOT NULL AND feedback.label IS NOT NULL) AS labelled,
      count(*) FILTER (WHERE prediction.decision <> feedback.label) AS wrong
    FROM wanted
    LEFT JOIN prediction ON prediction.endpoint = ${request.endpoint} AND prediction.epoch = wanted.epoch AND prediction.assigned
      -- Leaves out the days before the rollout; a minute covers a gateway's idea of database time.
      AND prediction.at >= (SELECT min(created_at) - interval '1 minute' FROM wanted)
    LEFT JOIN feedback ON feedback.inference_id = prediction.inference_id
    GROUP BY wanted.epoch, wanted.canary_share, prediction.arm
    ORDER BY wanted.epoch`);
  const epochs = new Map<number, EpochCounts>();
  for (const row of rows) {
    const found = epochs.get(row.epoch) ?? emptyCounts(row);
    epochs.set(row.epoch, row.arm === null ? found : withArm(found, row.arm, row));
  }
  return [...epochs.values()].map((counts) => epochCountsSchema.parse(counts));
}

const emptyCounts = (row: CountRow): EpochCounts => ({
  epoch: row.epoch,
  canaryShare: row.canary_share / BASIS_POINTS,
  requests: none,
  errors: none,
  slow: none,
  labelled: none,
  wrong: none,
});

const withArm = (counts: EpochCounts, arm: "champion" | "canary", row: CountRow): EpochCounts => ({
  ...counts,
  requests: { ...counts.requests, [arm]: Number(row.requests) },
  errors: { ...counts.errors, [arm]: Number(row.errors) },
  slow: { ...counts.slow, [arm]: Number(row.slow) },
  labelled: { ...counts.labelled, [arm]: Number(row.labelled) },
  wrong: { ...counts.wrong, [arm]: Number(row.wrong) },
});
