import { desc, sql, type SQL } from "drizzle-orm";

import type { LogBatch } from "../../contracts/inference.ts";
import type { Queryable, Transaction } from "../client.ts";
import { gatewayLog } from "../schema/decision-count.ts";

/**
 * Takes a stretch of a gateway's journal: counts, units and rows together or not at all. A stretch that begins before the place the
 * spool was shipped to is known and changes nothing, whoever sends it. Returns that place as it is now.
 */
export async function shipGatewayLog(db: Queryable, batch: LogBatch & { readonly gateway: string }): Promise<number> {
  const { rows } = batch;
  const column = (values: readonly Element[]): SQL => sql`${arrayLiteral(values)}`;
  const shipped = await db.execute<{ place: string }>(sql`
    SELECT ship_gateway_log(${batch.spool}::uuid, ${batch.gateway}, ${batch.fromByte}::bigint, ${batch.toByte}::bigint,
      ${JSON.stringify(batch.counts.map(countRow))}::jsonb, ${JSON.stringify(batch.units.map(unitRow))}::jsonb,
      ${batch.droppedRows}::bigint, ${batch.acceptedRows}::bigint,
      ${column(rows.map((row) => row.inferenceId))}::text[], ${column(rows.map((row) => row.requestRow))}::int[],
      ${column(rows.map((row) => row.endpoint))}::text[], ${column(rows.map((row) => row.epoch))}::int[],
      ${column(rows.map((row) => row.arm))}::text[], ${column(rows.map((row) => row.assigned))}::boolean[],
      ${column(rows.map((row) => row.versionId))}::uuid[], ${column(rows.map((row) => row.routingKeyHash))}::text[],
      ${column(rows.map((row) => row.at.toISOString()))}::timestamptz[], ${column(rows.map((row) => row.latencyMs))}::float8[],
      ${column(rows.map((row) => row.outcome))}::text[], ${column(rows.map((row) => row.score))}::float8[],
      ${column(rows.map((row) => row.decision))}::smallint[],
      ${column(rows.map((row) => (row.fields === null ? null : JSON.stringify(row.fields))))}::jsonb[]) AS place`);
  return Number(shipped.rows[0]?.place ?? batch.toByte);
}

type Element = string | number | boolean | null;

/** An array as Postgres reads it. The driver, which has to be ready for anything in one, takes half of what shipping takes. */
function arrayLiteral(values: readonly Element[]): string {
  return `{${values.map((value) => (typeof value === "string" ? quoted(value) : String(value ?? "NULL"))).join(",")}}`;
}

const quoted = (text: string): string => `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, String.raw`\$&`) : text}"`;

/** As the columns of `decision_count` are called. */
const countRow = (count: LogBatch["counts"][number]) => ({
  endpoint: count.endpoint,
  epoch: count.epoch,
  arm: count.arm,
  assigned: count.assigned,
  by_unit: count.byUnit,
  model_version: count.versionId,
  minute: new Date(count.minuteMs).toISOString(),
  requests: count.requests,
  errors: count.errors,
  sheds: count.sheds,
  slow: count.slow,
  latencies: count.latencies,
  ranges: count.ranges,
});

/** As the columns of `decision_unit` are called. */
const unitRow = (unit: LogBatch["units"][number]) => ({
  endpoint: unit.endpoint,
  epoch: unit.epoch,
  unit: unit.unit,
  arm: unit.arm,
  at: new Date(unit.atMs).toISOString(),
  inference_id: unit.inferenceId,
  outcome: unit.outcome,
  slow: unit.slow,
  range: unit.range,
  decision: unit.decision,
});

export type GatewayLog = typeof gatewayLog.$inferSelect;

/** What became of the rows of each gateway, as it last told; the newest first. */
export const listGatewayLogs = (db: Queryable): Promise<GatewayLog[]> =>
  db.select().from(gatewayLog).orderBy(desc(gatewayLog.at));

export interface DroppedDays {
  /** ISO dates. */
  readonly days: readonly string[];
  readonly rowCount: number;
}

export interface ExpiredDrop extends DroppedDays {
  /** Row of `log_settings` by which their time is over, and the first day that stayed; null where no retention is set. */
  readonly retention: string | null;
  readonly before: string | null;
}

/** Drops the days of the log whose time is over by the retention that is set, except those a running rollout is judged by. */
export async function dropExpiredDays(tx: Transaction): Promise<ExpiredDrop> {
  const { rows } = await tx.execute<{
    retention: string | null;
    before: string | null;
    days: string[];
    dropped: string;
  }>(sql`SELECT retention, before::text, days::text[], row_count AS dropped FROM drop_expired_prediction_days()`);
  const { retention = null, before = null, days = [], dropped = 0 } = rows[0] ?? {};
  return { retention, before, days, rowCount: Number(dropped) };
}

/** Drops the days of the log before one (UTC); only the database's owner may. Refuses days that a running rollout is judged by. */
export async function dropPredictionDays(tx: Transaction, before: string): Promise<DroppedDays> {
  const { rows } = await tx.execute<{ days: string[]; dropped: string }>(
    sql`SELECT days::text[] AS days, row_count AS dropped FROM drop_prediction_days(${before}::date)`,
  );
  return { days: rows[0]?.days ?? [], rowCount: Number(rows[0]?.dropped ?? 0) };
}
