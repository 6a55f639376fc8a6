import type { DuckDBConnection } from "@duckdb/node-api";
import type { ColumnDescription, DataSource, SnapshotDescription } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { DataWindow } from "../../contracts/primitives.ts";
import type { Select } from "./check-select.ts";
import { duckdbComplaint, sqlName, sqlText } from "./open-session.ts";
import { writeTable } from "./write-table.ts";

export interface SnapshotOptions {
  readonly source: DataSource;
  readonly select: Select;
  /** Selected date or timestamp column. */
  readonly time: string;
  /** Rows from `from` up to, not including, `to`; rows without a time are in no window. Null takes all rows. */
  readonly window: DataWindow | null;
  /** Parquet file to write; it appears whole or not at all. */
  readonly outputPath: string;
  readonly signal?: AbortSignal;
}

/**
 * Writes the selected columns of a window's rows as Parquet, in the order of time and then of every other column, so that the
 * same source and spec give the same bytes whatever the order of rows, the number of threads or the memory.
 *
 * The expressions come from people: DuckDB can read only the source and write only the output, and settings are locked.
 * @throws FILE_MISSING, DATA_UNREADABLE, COLUMN_MISSING, COLUMN_TYPE, INPUT_INVALID (an expression, the window), DATA_EMPTY
 */
export async function writeSnapshot(options: SnapshotOptions): Promise<SnapshotDescription> {
  const { source, select, time, window, outputPath, signal } = options;
  return writeTable(
    {
      source,
      select,
      outputPath,
      format: "parquet",
      signal,
      async query(selected, columns, connection) {
        requireTime(columns, time);
        const others = columns.filter(({ name }) => name !== time).map(({ name }) => sqlName(name));
        const filter = window === null ? "true" : await windowFilter(connection, time, window);
        return `SELECT * FROM (${selected}) WHERE ${filter} ORDER BY ${[sqlName(time), ...others].join(", ")}`;
      },
    },
    async (connection, written, columns) => {
      const [rowCount, from, to] = await extent(connection, written, time);
      if (rowCount === 0) {
        throw new Failure("DATA_EMPTY", {
          where: source.path,
          window: window ? `${time} ${window.from} to ${window.to}` : "",
        });
      }
      const timeRange = from === null || to === null ? null : { from: isoTime(from), to: isoTime(to) };
      return { columns: [...columns], rowCount, window, timeRange };
    },
  );
}

function requireTime(columns: readonly ColumnDescription[], time: string): void {
  const column = columns.find(({ name }) => name === time);
  if (column === undefined) {
    const found = columns.map(({ name }) => name).join(", ");
    throw new Failure("COLUMN_MISSING", { where: "data.time", column: time, found });
  }
  if (column.type !== "timestamp") {
    const allowed = "a date or timestamp, since windows cut on it";
    throw new Failure("COLUMN_TYPE", { where: "data.time", column: time, found: column.type, allowed });
  }
}

async function windowFilter(connection: DuckDBConnection, time: string, { from, to }: DataWindow): Promise<string> {
  const moment = (text: string) => `CAST(${sqlText(text)} AS TIMESTAMP)`;
  const where = `window ${from} to ${to}`;
  let ordered: unknown;
  try {
    ordered = (await connection.runAndReadAll(`SELECT ${moment(from)} < ${moment(to)}`)).getRows()[0]?.[0];
  } catch (error) {
    const complaint = duckdbComplaint(error);
    if (complaint === undefined) throw error;
    const problems = `not dates or timestamps (${complaint}); write 2001-01-01 or 2001-01-01 06:00:00`;
    throw new Failure("INPUT_INVALID", { where, problems }, { cause: error });
  }
  if (ordered !== true) throw new Failure("INPUT_INVALID", { where, problems: "the window ends before it begins" });
  return `${sqlName(time)} >= ${moment(from)} AND ${sqlName(time)} < ${moment(to)}`;
}

/** Rows, and earliest and latest time in milliseconds, of a written file. */
async function extent(connection: DuckDBConnection, written: string, time: string) {
  const bounds = ["min", "max"].map(
    (bound) => `CAST(epoch_us(CAST(${bound}(${sqlName(time)}) AS TIMESTAMP)) / 1e3 AS DOUBLE)`,
  );
  const sql = `SELECT CAST(count(*) AS DOUBLE), ${bounds.join(", ")} FROM ${written}`;
  const [row = []] = (await connection.runAndReadAll(sql)).getRows();
  const number = (value: unknown) => (typeof value === "number" ? value : null);
  return [number(row[0]) ?? 0, number(row[1]), number(row[2])] as const;
}

const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
