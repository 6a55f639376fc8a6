import { finished } from "node:stream/promises";

import { desc, sql, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import type { ClientBase } from "pg";
import { from as copyFrom } from "pg-copy-streams";

import type { LogBatch } from "../../contracts/inference.ts";
import type { Database, Queryable, Transaction } from "../client.ts";
import { GROUPS } from "../roles.ts";
import { sqlState } from "../sql-state.ts";
import { gatewayLog } from "../schema/decision-count.ts";

type Row = LogBatch["rows"][number];
type Cell = string | number | boolean | null;

/** What is logged of a row: the columns of `prediction`, in the order in which `ship_gateway_log` takes them. */
const COLUMNS: readonly (readonly [name: string, type: string, cell: (row: Row) => Cell])[] = [
  ["inference_id", "text", (row) => row.inferenceId],
  ["request_row", "int", (row) => row.requestRow],
  ["endpoint", "text", (row) => row.endpoint],
  ["epoch", "int", (row) => row.epoch],
  ["arm", "text", (row) => row.arm],
  ["assigned", "boolean", (row) => row.assigned],
  ["model_version", "uuid", (row) => row.versionId],
  ["routing_key_hash", "text", (row) => row.routingKeyHash],
  ["at", "timestamptz", (row) => row.at.toISOString()],
  ["latency_ms", "float8", (row) => row.latencyMs],
  ["outcome", "text", (row) => row.outcome],
  ["score", "float8", (row) => row.score],
  ["decision", "smallint", (row) => row.decision],
  ["features", "jsonb", (row) => (row.fields === null ? null : JSON.stringify(row.fields))],
];

/**
 * SQLSTATEs of values, of ids that are there already, and of tables, functions and rights that are missing: the call has its own answers
 * to them.
 */
const CANNOT_COPY = /^(2[23]|42)/;

type ShippedBatch = LogBatch & { readonly gateway: string };

/**
 * Takes a stretch of a gateway's journal: counts, units and rows together or not at all. A stretch that begins before the place the
 * spool was shipped to is known and changes nothing, whoever sends it. Returns that place as it is now.
 */
export async function shipGatewayLog(db: Database, batch: ShippedBatch): Promise<number> {
  if (batch.rows.length === 0) return await shipAsArrays(db, batch);
  try {
    return await shipByCopy(db, batch);
  } catch (problem) {
    if (!CANNOT_COPY.test(sqlState(problem) ?? "")) throw problem;
    return await shipAsArrays(db, batch);
  }
}

/** Rows go straight to their days: into the log itself, which has row security, Postgres copies nothing. */
async function shipByCopy({ $client: pool }: Database, batch: ShippedBatch): Promise<number> {
  const client = await pool.connect();
  try {
    return await drizzle(client).transaction(async (tx) => {
      const { rows } = await tx.execute<{ place: string; taken: boolean }>(
        sql`SELECT place, taken FROM take_gateway_stretch(${stretchOf(batch)}, ${batch.rows.length})`,
      );
      const { place = batch.toByte, taken = false } = rows[0] ?? {};
      if (taken) {
        await tx.execute(sql`SET LOCAL ROLE ${sql.identifier(GROUPS.log)}`);
        for (const [day, logged] of byDay(batch.rows)) await copyRows(client, day, logged);
      }
      return Number(place);
    });
  } finally {
    client.release();
  }
}

async function copyRows(client: ClientBase, day: number, rows: readonly Row[]): Promise<void> {
  const partition = `prediction_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "")}`;
  const columns = COLUMNS.map(([name]) => name).join(", ");
  const lines = rows.map((row) => `${COLUMNS.map(([, , cell]) => copied(cell(row))).join("\t")}\n`);
  const copy = client.query(copyFrom(`COPY ${partition} (${columns}) FROM STDIN`));
  copy.end(lines.join(""));
  await finished(copy);
}

const DAY_MS = 86_400_000;

/** Rows by their day, counted in UTC since 1970. */
function byDay(rows: readonly Row[]): Map<number, Row[]> {
  const days = new Map<number, Row[]>();
  for (const row of rows) {
    const day = Math.floor(row.at.getTime() / DAY_MS);
    const known = days.get(day);
    if (known) known.push(row);
    else days.set(day, [row]);
  }
  return days;
}

/** A cell in the text format of COPY. */
function copied(cell: Cell): string {
  if (typeof cell !== "string") return String(cell ?? "\\N");
  return /[\\\t\n\r]/.test(cell) ? cell.replaceAll(/[\\\t\n\r]/g, (found) => COPY_ESCAPES[found] ?? found) : cell;
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

async function shipAsArrays(db: Queryable, batch: ShippedBatch): Promise<number> {
  const columns = COLUMNS.map(([, type, cell]) => sql`${arrayLiteral(batch.rows.map(cell))}::${sql.raw(type)}[]`);
  const shipped = await db.execute<{ place: string }>(
    sql`SELECT ship_gateway_log(${stretchOf(batch)}, ${sql.join(columns, sql`, `)}) AS place`,
  );
  return Number(shipped.rows[0]?.place ?? batch.toByte);
}

/** What both functions are told first. */
const stretchOf = (batch: ShippedBatch): SQL => sql`${batch.spool}::uuid, ${batch.gateway}, ${batch.fromByte}::bigint,
  ${batch.toByte}::bigint, ${JSON.stringify(batch.counts.map(countRow))}::jsonb, ${JSON.stringify(batch.units.map(unitRow))}::jsonb,
  ${batch.droppedRows}::bigint, ${batch.acceptedRows}::bigint`;

/** An array as Postgres reads it. The driver, which has to be ready for anything in one, takes half of what shipping takes. */
function arrayLiteral(values: readonly Cell[]): string {
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
