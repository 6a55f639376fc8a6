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

/**
 * Counts of the last `windowMs` of an endpoint, or since its first epoch if that is later; all 0 for one that never routed. Requests and
 * errors are what the gateways counted, to the minute; what needs latencies or labels is of the logged requests, in proportion.
 */
export async function observeTraffic(db: Queryable, request: TrafficRequest): Promise<ObservedTraffic> {
  const { rows } = await db.execute<Record<keyof ObservedTraffic, string | null>>(sql`
    WITH since AS (
      SELECT greatest(min(created_at), clock_timestamp() - ${request.windowMs}::float8 * interval '1 millisecond') AS at
      FROM routing_epoch WHERE endpoint = ${request.endpoint} HAVING count(*) > 0
    ), seen AS (
      SELECT prediction.at, request_row IS NULL AS uncounted, model_version = ${request.champion}::uuid AS of_champion, outcome,
        latency_ms, decision IS NOT NULL AND label IS NOT NULL AS labelled, decision <> label AS wrong,
        received_at - prediction.at AS delay
      FROM prediction LEFT JOIN feedback USING (inference_id)
      WHERE endpoint = ${request.endpoint} AND assigned AND (request_row IS NULL OR request_row = 0)
        AND prediction.at >= (SELECT at FROM since)
    ), delays AS (
      SELECT percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY delay) AS quantiles
      FROM seen WHERE of_champion AND labelled
    ), logged AS (
      SELECT count(*) FILTER (WHERE uncounted) AS requests,
        count(*) FILTER (WHERE uncounted AND of_champion) AS champion_requests,
        count(*) FILTER (WHERE uncounted AND of_champion AND outcome = 'error') AS errors,
        avg((latency_ms > ${request.latencyFloorMs}::float8)::int) FILTER (WHERE of_champion) AS above_floor,
        -- Nine labels in ten take no longer: a younger request without one may yet get it.
        count(*) FILTER (WHERE of_champion AND is_due) AS label_due,
        count(*) FILTER (WHERE of_champion AND is_due AND labelled) AS labelled,
        count(*) FILTER (WHERE of_champion AND is_due AND wrong) AS wrong,
        extract(epoch FROM max(quantiles[1])) * 1000 AS label_delay_ms
      FROM delays LEFT JOIN LATERAL (
        SELECT seen.*, seen.at <= clock_timestamp() - coalesce(quantiles[2], interval '0') AS is_due FROM seen
      ) AS seen ON true
    ), counted AS (
      SELECT coalesce(sum(requests), 0) AS requests,
        coalesce(sum(requests) FILTER (WHERE model_version = ${request.champion}::uuid), 0) AS champion_requests,
        coalesce(sum(errors) FILTER (WHERE model_version = ${request.champion}::uuid), 0) AS errors
      FROM decision_count
      WHERE endpoint = ${request.endpoint} AND assigned AND minute > (SELECT at FROM since) - interval '1 minute'
    )
    SELECT coalesce(extract(epoch FROM clock_timestamp() - (SELECT at FROM since)) * 1000, 0) AS "coveredMs",
      logged.requests + counted.requests AS requests,
      logged.champion_requests + counted.champion_requests AS "championRequests",
      logged.errors + counted.errors AS errors,
      round(coalesce(above_floor, 0) * (logged.champion_requests + counted.champion_requests)) AS "aboveFloor",
      label_due AS "labelDue", labelled, wrong, label_delay_ms AS "labelDelayMs"
    FROM logged, counted`);
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
