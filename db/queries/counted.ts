import { sql } from "drizzle-orm";

import { LATENCY_BOUNDS_MS } from "../../contracts/inference.ts";
import type { Arm } from "../../contracts/names.ts";
import type { EpochCounts } from "../../contracts/rollout.ts";
import type { Queryable } from "../client.ts";

// What gateways counted, a row a minute: of every request, whatever share of them the log keeps.

/**
 * A version's newest requests in a rollout's present epoch: of as many minutes as it takes to have at least so many, sheds left out, for load is
 * no fault of a version's.
 */
export async function countNewest(
  db: Queryable,
  wanted: {
    readonly endpoint: string;
    readonly rollout: string;
    readonly version: string;
    readonly arm: Arm;
    readonly requests: number;
  },
): Promise<{ readonly requests: number; readonly errors: number }> {
  const { rows } = await db.execute<{ requests: string; errors: string }>(sql`
    WITH counted AS (
      SELECT sum(requests - sheds) AS requests, sum(errors - sheds) AS errors,
        sum(sum(requests - sheds)) OVER (ORDER BY minute DESC) AS so_far
      FROM decision_count
      WHERE endpoint = ${wanted.endpoint} AND arm = ${wanted.arm} AND model_version = ${wanted.version} AND assigned
        AND epoch = (SELECT max(epoch) FROM routing_epoch WHERE endpoint = ${wanted.endpoint} AND rollout = ${wanted.rollout})
      GROUP BY minute
    )
    SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(errors), 0) AS errors FROM counted
    WHERE so_far - requests < ${wanted.requests}`);
  const [found] = rows;
  return { requests: Number(found?.requests ?? 0), errors: Number(found?.errors ?? 0) };
}

/**
 * A latency that at most a share of `1 - quantile` of one version's requests since a moment took longer than, in milliseconds, and over how many
 * requests; null without any. As coarse as the bounds gateways count by: the smallest that holds, or the largest there is.
 */
export async function countedLatencyQuantile(
  db: Queryable,
  wanted: {
    readonly endpoint: string;
    readonly modelVersion: string;
    readonly since: Date;
    readonly quantile: number;
  },
): Promise<{ readonly latencyMs: number; readonly sampleCount: number } | null> {
  const { rows } = await db.execute<{ place: string; requests: string }>(sql`
    SELECT place, sum(counted) AS requests
    FROM decision_count, unnest(latencies) WITH ORDINALITY AS bounds (counted, place)
    WHERE endpoint = ${wanted.endpoint} AND model_version = ${wanted.modelVersion}
      AND minute >= ${wanted.since.toISOString()}::timestamptz
    GROUP BY place ORDER BY place`);
  const counted = rows.map(({ requests }) => Number(requests));
  const sampleCount = counted.reduce((sum, requests) => sum + requests, 0);
  if (sampleCount === 0) return null;
  let below = 0;
  const bound = LATENCY_BOUNDS_MS.find((_, place) => (below += counted[place] ?? 0) >= wanted.quantile * sampleCount);
  return { latencyMs: bound ?? LATENCY_BOUNDS_MS.at(-1) ?? 0, sampleCount };
}

/**
 * What came of a rollout's version since it was promoted, as a canary's that has everything: units, as in the ramp (`countEpochs`), sheds left out;
 * nothing of gateways that count nothing, and empty before the promotion.
 */
export async function countPromoted(
  db: Queryable,
  { endpoint, rollout }: { readonly endpoint: string; readonly rollout: string },
): Promise<EpochCounts[]> {
  const { rows } = await db.execute<{ epoch: number; requests: string; errors: string; slow: string }>(sql`
    WITH promoted AS (
      SELECT epoch FROM routing_epoch JOIN rollout ON rollout.id = routing_epoch.rollout
      WHERE routing_epoch.endpoint = ${endpoint} AND rollout.id = ${rollout}
        AND routing_epoch.champion_version = rollout.canary_version
    ), parts AS (
      SELECT epoch, requests - sheds AS requests, errors - sheds AS errors, slow FROM decision_count JOIN promoted USING (epoch)
      WHERE endpoint = ${endpoint} AND arm = 'champion' AND assigned AND NOT by_unit
      UNION ALL
      SELECT epoch, 1, (outcome = 'error')::int, slow::int FROM decision_unit JOIN promoted USING (epoch)
      WHERE endpoint = ${endpoint} AND arm = 'champion'
    )
    SELECT epoch, coalesce(sum(requests), 0) AS requests, coalesce(sum(errors), 0) AS errors,
      least(coalesce(sum(slow), 0), coalesce(sum(requests), 0)) AS slow
    FROM promoted LEFT JOIN parts USING (epoch) GROUP BY epoch ORDER BY epoch`);
  const ofCanary = (count: string) => ({ champion: 0, canary: Number(count) });
  return rows.map(({ epoch, requests, errors, slow }) => ({
    epoch,
    canaryShare: 1,
    requests: ofCanary(requests),
    errors: ofCanary(errors),
    slow: ofCanary(slow),
    labelled: ofCanary("0"),
    wrong: ofCanary("0"),
  }));
}
