import { and, eq, sql, type SQL } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { timeOfId } from "../identifiers.ts";
import { prediction } from "../schema/prediction.ts";

export type Prediction = typeof prediction.$inferSelect;

/** Makes the log's partitions of the coming days (UTC); any process may, any number of times. Returns how many were new. */
export async function ensurePredictionPartitions(
  tx: Transaction,
  { aheadDays }: { aheadDays: number },
): Promise<number> {
  const { rows } = await tx.execute<{ made: number }>(sql`SELECT ensure_prediction_partitions(${aheadDays}) AS made`);
  return rows[0]?.made ?? 0;
}

/** A prediction by its id, or null. */
export async function findPrediction(db: Queryable, inferenceId: string): Promise<Prediction | null> {
  const [found] = await db.select().from(prediction).where(isPrediction(inferenceId)).limit(1);
  return found ?? null;
}

/**
 * Condition for one inference id. Ids that start with a UUIDv7 tell their day, so that one index is looked into and not one a
 * day; a day either side covers a gateway's clock. Other ids are looked for in every day.
 */
export function isPrediction(inferenceId: string): SQL | undefined {
  const made = timeOfId(inferenceId);
  const byId = eq(prediction.inferenceId, inferenceId);
  if (!made) return byId;
  const at = made.toISOString();
  return and(
    byId,
    sql`${prediction.at} BETWEEN ${at}::timestamptz - interval '1 day' AND ${at}::timestamptz + interval '1 day'`,
  );
}

/**
 * A quantile of the latency of one version's answered requests since a moment, in milliseconds, and over how many; null
 * without any. Interpolates between neighbours (`percentile_cont`).
 */
export async function latencyQuantile(
  db: Queryable,
  wanted: { endpoint: string; modelVersion: string; since: Date; quantile: number },
): Promise<{ latencyMs: number; sampleCount: number } | null> {
  const { rows } = await db.execute<{ latency: number | null; samples: string }>(sql`
    SELECT percentile_cont(${wanted.quantile}::float8) WITHIN GROUP (ORDER BY latency_ms) AS latency, count(*) AS samples
    FROM prediction
    WHERE endpoint = ${wanted.endpoint} AND model_version = ${wanted.modelVersion} AND outcome = 'ok'
      AND at >= ${wanted.since.toISOString()}::timestamptz`);
  const found = rows[0];
  return found && found.latency !== null ? { latencyMs: found.latency, sampleCount: Number(found.samples) } : null;
}

/**
 * Where one version's predictions since a moment part into ten ranges of about as many answers: up to nine rising edges, fewer where
 * many predictions are the same. By decision where the version has no score.
 */
export async function scoreDeciles(
  db: Queryable,
  wanted: { readonly endpoint: string; readonly modelVersion: string; readonly since: Date },
): Promise<{ readonly edges: readonly number[]; readonly sampleCount: number }> {
  const { rows } = await db.execute<{ deciles: number[] | null; lowest: number | null; samples: string }>(sql`
    SELECT percentile_disc(ARRAY[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) WITHIN GROUP (ORDER BY prediction) AS deciles,
      min(prediction) AS lowest, count(*) AS samples
    FROM (
      SELECT coalesce(score, decision::float8) AS prediction FROM prediction
      WHERE endpoint = ${wanted.endpoint} AND model_version = ${wanted.modelVersion} AND outcome = 'ok'
        AND at >= ${wanted.since.toISOString()}::timestamptz
    ) AS answered WHERE prediction IS NOT NULL`);
  const found = rows[0];
  // An edge belongs to the range above it, so one at the lowest prediction would leave a range that nothing can fall into.
  const edges = [...new Set(found?.deciles ?? [])].filter((edge) => edge > (found?.lowest ?? edge));
  return { edges, sampleCount: Number(found?.samples ?? 0) };
}
