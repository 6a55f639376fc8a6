import { sql, type SQL } from "drizzle-orm";
import type { Queryable } from "../../db/client.ts";
import type { Prediction } from "../../db/queries/prediction.ts";

/** Passed whole: an array in a template would become a list of parameters, one a value. */
const column = (values: readonly unknown[]): SQL => sql`${sql.param(values)}`;

/**
 * Appends rows to the prediction log as a gateway of release 0.1.0 does, which counts nothing: looks count them from the log. Returns how
 * many were new.
 */
export async function insertPredictions(
  db: Queryable,
  batch: readonly Omit<Prediction, "requestRow">[],
): Promise<number> {
  if (batch.length === 0) return 0;
  const { rows } = await db.execute<{ logged: number }>(sql`
    SELECT log_predictions(
      ${column(batch.map((row) => row.inferenceId))}::text[], ${column(batch.map((row) => row.endpoint))}::text[],
      ${column(batch.map((row) => row.epoch))}::int[], ${column(batch.map((row) => row.arm))}::text[],
      ${column(batch.map((row) => row.assigned))}::boolean[],
      ${column(batch.map((row) => row.modelVersion))}::uuid[], ${column(batch.map((row) => row.routingKeyHash))}::text[],
      ${column(batch.map((row) => row.at.toISOString()))}::timestamptz[],
      ${column(batch.map((row) => row.latencyMs))}::float8[], ${column(batch.map((row) => row.outcome))}::text[],
      ${column(batch.map((row) => row.score))}::float8[], ${column(batch.map((row) => row.decision))}::smallint[],
      ${column(batch.map((row) => (row.features === null ? null : JSON.stringify(row.features))))}::jsonb[]) AS logged`);
  return rows[0]?.logged ?? 0;
}
