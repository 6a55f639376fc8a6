import { sql } from "drizzle-orm";

import type { ObservedTraffic } from "../../contracts/traffic.ts";
import type { Queryable } from "../client.ts";

export interface TrafficRequest {
  readonly endpoint: string;
  /** The version whose rates count; null counts the traffic alone. */
  readonly champion: string | null;
  /** How far back the log is read. */
  readonly windowMs: number;
  /** A request that takes longer may be slow. */
  readonly latencyFloorMs: number;
}

/** Counts of the last `windowMs` of an endpoint's log, or since its first epoch if that is later; all 0 for one that never routed. */
export async function observeTraffic(db: Queryable, request: TrafficRequest): Promise<ObservedTraffic> {
  const { rows } = await db.execute<Record<keyof ObservedTraffic, string | null>>(sql`
    WITH since AS (
      SELECT greatest(min(created_at), clock_timestamp() - ${request.windowMs}::float8 * interval '1 millisecond') AS at
      FROM routing_epoch WHERE endpoint = ${request.endpoint} HAVING count(*) > 0
    ), seen AS (
      SELECT prediction.at, model_version = ${request.champion}::uuid AS of_champion, outcome, latency_ms,
        decision IS NOT NULL AND label IS NOT NULL AS labelled, decision <> label AS wrong, received_at - prediction.at AS delay
      FROM prediction LEFT JOIN feedback USING (inference_id)
      WHERE endpoint = ${request.endpoint} AND assigned AND prediction.at >= (SELECT at FROM since)
    ), delays AS (
      SELECT percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY delay) AS quantiles
      FROM seen WHERE of_champion AND labelled
    )
    SELECT coalesce(extract(epoch FROM clock_timestamp() - (SELECT at FROM since)) * 1000, 0) AS "coveredMs",
      count(seen.at) AS requests,
      count(*) FILTER (WHERE of_champion) AS "championRequests",
      count(*) FILTER (WHERE of_champion AND outcome = 'error') AS errors,
      count(*) FILTER (WHERE of_champion AND latency_ms > ${request.latencyFloorMs}::float8) AS "aboveFloor",
      -- Nine labels in ten take no longer: a younger request without one may yet get it.
      count(*) FILTER (WHERE of_champion AND seen.at <= clock_timestamp() - coalesce(quantiles[2], interval '0')) AS "labelDue",
      count(*) FILTER (WHERE labelled AND of_champion AND seen.at <= clock_timestamp() - coalesce(quantiles[2], interval '0'))
        AS labelled,
      count(*) FILTER (WHERE wrong AND of_champion AND seen.at <= clock_timestamp() - coalesce(quantiles[2], interval '0'))
        AS wrong,
      extract(epoch FROM max(quantiles[1])) * 1000 AS "labelDelayMs"
    FROM delays LEFT JOIN seen ON true`);
  const counted = (name: keyof ObservedTraffic) => Number(rows[0]?.[name] ?? 0);
  const delay = rows[0]?.labelDelayMs ?? null;
  return {
    coveredMs: counted("coveredMs"),
    requests: counted("requests"),
    championRequests: counted("championRequests"),
    errors: counted("errors"),
    aboveFloor: counted("aboveFloor"),
    labelDue: counted("labelDue"),
    labelled: counted("labelled"),
    wrong: counted("wrong"),
    labelDelayMs: delay === null ? null : Number(delay),
  };
}
