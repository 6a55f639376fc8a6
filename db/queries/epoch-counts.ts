import { sql, type SQL } from "drizzle-orm";

import { BASIS_POINTS } from "../../contracts/names.ts";
import { epochCountsSchema, type ArmCounts, type EpochCounts } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";

export interface CountsRequest {
  readonly endpoint: string;
  /** Its epochs with a canary are counted. */
  readonly rollout: string;
  /** A request that takes longer is slow. */
  readonly latencyThresholdMs: number;
  /** Where the ranges of the prediction part, rising; null when nobody asks for ranges. */
  readonly edges?: readonly number[] | null;
}

interface CountRow extends Record<string, unknown> {
  readonly epoch: number;
  readonly canary_share: number;
  readonly kept_at: number | null;
  readonly arm: "champion" | "canary" | null;
  readonly requests: string;
  readonly errors: string;
  readonly slow: string;
  readonly labelled: string;
  readonly wrong: string;
  readonly ranges: readonly string[];
}

/**
 * What each epoch of a rollout has counted so far, ascending; epochs in which the canary had a share, those without a request
 * too. Counted are units, which are assigned independently of each other: of the requests with a routing key the key's first one in the epoch,
 * of the rows of one request its first, and every other row. A key that was the canary's in an earlier epoch is so by stickiness and tells nothing
 * new; one that was the champion's is counted apart, by the largest share at which it was.
 * A labelled request is one whose decision and label are known; it is wrong when they differ.
 */
export async function countEpochs(db: Queryable, request: CountsRequest): Promise<EpochCounts[]> {
  const edges = request.edges ?? [];
  const { rows } = await db.execute<CountRow>(sql`
    WITH wanted AS (
      SELECT epoch, canary_share, created_at FROM routing_epoch
      WHERE endpoint = ${request.endpoint} AND rollout = ${request.rollout} AND canary_share > 0
    ), logged AS (
      SELECT wanted.canary_share, prediction.*,
        coalesce(routing_key_hash, substring(inference_id FROM '^(.+)/[0-9]+$')) AS unit
      FROM wanted JOIN prediction ON prediction.endpoint = ${request.endpoint} AND prediction.epoch = wanted.epoch AND assigned
        -- Leaves out the days before the rollout; a minute covers a gateway's idea of database time.
        AND prediction.at >= (SELECT min(created_at) - interval '1 minute' FROM wanted)
    ), firsts AS (
      SELECT DISTINCT ON (epoch, unit) * FROM logged WHERE unit IS NOT NULL ORDER BY epoch, unit, at, inference_id
    ), placed AS (
      SELECT *, max(canary_share) FILTER (WHERE arm = 'champion') OVER earlier AS kept_at,
        coalesce(bool_or(arm = 'canary') OVER earlier, false) AS was_canary
      FROM firsts WINDOW earlier AS (PARTITION BY unit ORDER BY epoch ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), counted AS (
      SELECT epoch, arm, inference_id, outcome, latency_ms, decision, score, NULL::int AS kept_at FROM logged WHERE unit IS NULL
      UNION ALL
      SELECT epoch, arm, inference_id, outcome, latency_ms, decision, score, kept_at FROM placed WHERE NOT was_canary
    )
    SELECT wanted.epoch, wanted.canary_share, kept_at, arm,
      count(counted.inference_id) AS requests,
      count(*) FILTER (WHERE outcome = 'error') AS errors,
      count(*) FILTER (WHERE latency_ms > ${request.latencyThresholdMs}::float8) AS slow,
      count(*) FILTER (WHERE decision IS NOT NULL AND feedback.label IS NOT NULL) AS labelled,
      count(*) FILTER (WHERE decision <> feedback.label) AS wrong,
      ARRAY[${rangeCounts(edges)}]::bigint[] AS ranges
    FROM wanted
    LEFT JOIN counted ON counted.epoch = wanted.epoch
    LEFT JOIN feedback ON feedback.inference_id = counted.inference_id
    GROUP BY wanted.epoch, wanted.canary_share, kept_at, arm
    ORDER BY wanted.epoch, kept_at NULLS FIRST`);
  const entries = new Map<string, EpochCounts>();
  for (const row of rows) {
    const key = `${row.epoch}/${row.kept_at ?? ""}`;
    const found = entries.get(key) ?? emptyCounts(row);
    entries.set(key, row.arm === null ? found : withArm(found, row.arm, row));
  }
  return [...entries.values()].map((counts) => epochCountsSchema.parse(counts));
}

/** One count a range; a version without a score is counted by its decision. */
function rangeCounts(edges: readonly number[]): SQL {
  if (edges.length === 0) return sql``;
  const range = sql`width_bucket(coalesce(score, decision::float8), ${sql.param(edges)}::float8[])`;
  const counts = Array.from(
    { length: edges.length + 1 },
    (_, index) => sql`count(*) FILTER (WHERE ${range} = ${index}::int)`,
  );
  return sql.join(counts, sql`, `);
}

const none: ArmCounts = { champion: 0, canary: 0 };

const emptyCounts = (row: CountRow): EpochCounts => ({
  epoch: row.epoch,
  canaryShare: row.canary_share / BASIS_POINTS,
  ...(row.kept_at !== null && { keptAtShare: row.kept_at / BASIS_POINTS }),
  requests: none,
  errors: none,
  slow: none,
  labelled: none,
  wrong: none,
  ...(row.ranges.length > 0 && { ranges: row.ranges.map(() => none) }),
});

const withArm = (counts: EpochCounts, arm: "champion" | "canary", row: CountRow): EpochCounts => ({
  ...counts,
  requests: { ...counts.requests, [arm]: Number(row.requests) },
  errors: { ...counts.errors, [arm]: Number(row.errors) },
  slow: { ...counts.slow, [arm]: Number(row.slow) },
  labelled: { ...counts.labelled, [arm]: Number(row.labelled) },
  wrong: { ...counts.wrong, [arm]: Number(row.wrong) },
  ...(counts.ranges && {
    ranges: counts.ranges.map((range, index) => ({ ...range, [arm]: Number(row.ranges[index] ?? 0) })),
  }),
});
