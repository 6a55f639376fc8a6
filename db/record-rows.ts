import { getTableColumns, getTableName, sql, type Column, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { DatabaseError } from "pg";

import { Failure } from "../contracts/failures.ts";

import type { Queryable, Transaction } from "./client.ts";

/**
 * Records rows by the table's `record_TABLE` function, the one way into it: the application role may write no table itself.
 * Columns a row leaves out get their defaults, provided every row leaves them out. Returns the rows as recorded; those
 * that met the conflict the table allows are not among them.
 */
export async function recordRows<Table extends PgTable>(
  tx: Transaction,
  table: Table,
  rows: readonly Table["$inferInsert"][],
): Promise<Table["$inferSelect"][]> {
  if (rows.length === 0) return [];
  const given = rows.map((row) => rowAsJson(table, row));
  const recorder = sql.identifier(`record_${getTableName(table)}`);
  const call = sql`${recorder}(${JSON.stringify(given)}::jsonb)`;
  return await recording(() => rowsOf(tx, table, call));
}

/** A row as the functions that record one take it: an object by the names of columns. */
export function rowAsJson<Table extends PgTable>(
  table: Table,
  row: Table["$inferInsert"],
): Readonly<Record<string, unknown>> {
  const values = row as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(getTableColumns(table)).flatMap(([key, column]) =>
      values[key] === undefined ? [] : [[column.name, jsonValue(column, values[key])]],
    ),
  );
}

/** What a function that records refuses, as a failure. */
export async function recording<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    throw refusalOfDeleted(thrown) ?? thrown;
  }
}

/** What is deleted gets no lifecycle, version, rollout or epoch, whoever asks. */
function refusalOfDeleted(thrown: unknown): Failure | null {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (!(cause instanceof DatabaseError) || cause.constraint !== "not_deleted") return null;
  return new Failure("DELETED", { subject: cause.detail ?? "" }, { cause: thrown });
}

/** The rows that a function of the database returns (`SETOF` the table), typed and parsed as the table's own. */
export async function rowsOf<Table extends PgTable>(
  db: Queryable,
  table: Table,
  call: SQL,
): Promise<Table["$inferSelect"][]> {
  const { rows } = await db.execute(sql`SELECT * FROM ${call}`);
  const columns = Object.entries(getTableColumns(table));
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(([key, column]) => {
        const value = row[column.name];
        return [key, value === null ? null : column.mapFromDriverValue(value)];
      }),
    ),
  );
}

/** A value as Postgres reads it out of JSON into the column's type. */
function jsonValue(column: Column, value: unknown): unknown {
  if (value === null || column.getSQLType() === "jsonb" || Array.isArray(value)) return value;
  // JSON has no NaN and would say null.
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const driven = column.mapToDriverValue(value);
  return Buffer.isBuffer(driven) ? `\\x${driven.toString("hex")}` : driven;
}
