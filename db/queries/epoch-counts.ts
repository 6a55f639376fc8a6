import { sql, type SQL } from "drizzle-orm";

import { BASIS_POINTS } from "../../contracts/names.ts";
import { epochCountsSchema, type ArmCounts, type EpochCounts } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";

export interface CountsRequest {
  readonly endpoint: string;
  /** Its epochs with a canary are counted, and those of the rollouts whose evidence goes on in it. */
  readonly rollout: string;
  /** A request that takes longer is slow. */
  readonly latencyThresholdMs: number;
  /** Whether labels are asked for: they alone need the log. True by default. */
  readonly labels?: boolean;
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
 *
 * Requests without a key come as the gateways counted them, keys from the first request the gateways told of; so the log may be sampled, and
 * only labels are: those of requests without a key are the labels of logged ones. Rows of gateways that do not count are counted here.
 */
export async function countEpochs(db: Queryable, request: CountsRequest): Promise<EpochCounts[]> {
  const edges = request.edges ?? [];
  const { rows } = await db.execute<CountRow>(sql`
    WITH wanted AS (
      SELECT epoch, canary_share, created_at FROM routing_epoch
      WHERE endpoint = ${request.endpoint} AND canary_share > 0 AND rollout IN ${sameEvidence(request.rollout)}
    ), started AS (
      -- Leaves out the days before the rollout; a minute covers a gateway's idea of database time.
      SELECT min(created_at) - interval '1 minute' AS at FROM wanted
    ), uncounted AS (
      SELECT prediction.epoch, arm, at, inference_id, outcome, decision, latency_ms > ${request.latencyThresholdMs}::float8 AS slow,
        ${rangeOf(edges)} AS range, coalesce(routing_key_hash, substring(inference_id FROM '^(.+)/[0-9]+$')) AS unit
      FROM wanted JOIN prediction ON prediction.endpoint = ${request.endpoint} AND prediction.epoch = wanted.epoch AND assigned
        AND request_row IS NULL AND prediction.at >= (SELECT at FROM started)
    ), units AS (
      SELECT epoch, arm, at, inference_id, outcome, decision, slow, range, unit FROM uncounted WHERE unit IS NOT NULL
      UNION ALL
      SELECT epoch, arm, at, inference_id, outcome, decision, slow, range, unit
      FROM wanted JOIN decision_unit USING (epoch) WHERE endpoint = ${request.endpoint}
    ), firsts AS (
      SELECT DISTINCT ON (epoch, unit) * FROM units JOIN wanted USING (epoch) ORDER BY epoch, unit, at, inference_id
    ), placed AS (
      SELECT *, max(canary_share) FILTER (WHERE arm = 'champion') OVER earlier AS kept_at,
        coalesce(bool_or(arm = 'canary') OVER earlier, false) AS was_canary
      FROM firsts WINDOW earlier AS (PARTITION BY unit ORDER BY epoch ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), single AS (
      SELECT epoch, NULL::int AS kept_at, arm, inference_id, outcome, decision, slow, range FROM uncounted WHERE unit IS NULL
      UNION ALL
      SELECT epoch, kept_at, arm, inference_id, outcome, decision, slow, range FROM placed WHERE NOT was_canary
    ), parts AS (
      SELECT epoch, kept_at, arm, count(*) AS requests, count(*) FILTER (WHERE outcome = 'error') AS errors,
        count(*) FILTER (WHERE slow) AS slow, count(*) FILTER (WHERE decision IS NOT NULL AND label IS NOT NULL) AS labelled,
        count(*) FILTER (WHERE decision <> label) AS wrong, ${rangeColumns(edges, (n) => sql`count(*) FILTER (WHERE range = ${n}::int)`)}
      FROM single LEFT JOIN feedback USING (inference_id) GROUP BY epoch, kept_at, arm
      UNION ALL
      SELECT epoch, NULL, arm, sum(requests), sum(errors), sum(slow), 0, 0,
        ${rangeColumns(edges, (n) => sql`coalesce(sum(ranges[${n + 1}::int]), 0)`)}
      FROM wanted JOIN decision_count USING (epoch)
      WHERE endpoint = ${request.endpoint} AND assigned AND NOT by_unit GROUP BY epoch, arm
      UNION ALL
      SELECT prediction.epoch, NULL, arm, 0, 0, 0, count(*), count(*) FILTER (WHERE decision <> label),
        ${rangeColumns(edges, () => sql`0`)}
      FROM wanted JOIN prediction ON prediction.endpoint = ${request.endpoint} AND prediction.epoch = wanted.epoch AND assigned
        AND request_row = 0 AND routing_key_hash IS NULL AND decision IS NOT NULL AND prediction.at >= (SELECT at FROM started)
        JOIN feedback USING (inference_id)
      WHERE ${request.labels ?? true} GROUP BY prediction.epoch, arm
    )
    SELECT wanted.epoch, wanted.canary_share, kept_at, arm, sum(requests) AS requests, sum(errors) AS errors, sum(slow) AS slow,
      sum(labelled) AS labelled, sum(wrong) AS wrong,
      ARRAY[${sql.join(
        ranges(edges).map((n) => sql`sum(${sql.identifier(`range_${n}`)})`),
        sql`, `,
      )}]::bigint[] AS ranges
    FROM wanted LEFT JOIN parts ON parts.epoch = wanted.epoch
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

/** The rollout and those before it whose evidence goes on in it: they have the same first one. */
export const sameEvidence = (id: string): SQL => sql`(SELECT earlier.id FROM rollout AS own
  JOIN rollout AS earlier ON coalesce(earlier.continues, earlier.id) = coalesce(own.continues, own.id)
    AND earlier.started_at <= own.started_at
  WHERE own.id = ${id})`;

/** Places of the ranges that edges part, lowest first. */
const ranges = (edges: readonly number[]): number[] =>
  edges.length === 0 ? [] : Array.from({ length: edges.length + 1 }, (_, index) => index);

/** The range of a logged row; a version without a score is counted by its decision. */
const rangeOf = (edges: readonly number[]): SQL =>
  edges.length === 0
    ? sql`NULL::int`
    : sql`width_bucket(coalesce(score, decision::float8), ${sql.param(edges)}::float8[])`;

/** A column for each range; one that means nothing where there are none. */
const rangeColumns = (edges: readonly number[], value: (range: number) => SQL): SQL =>
  sql.join(
    [...ranges(edges).map((n) => sql`${value(n)} AS ${sql.identifier(`range_${n}`)}`), sql`0 AS unranged`],
    sql`, `,
  );

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
