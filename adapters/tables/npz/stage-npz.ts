import { rm } from "node:fs/promises";
import { listValue, type DuckDBAppender, type DuckDBValue } from "@duckdb/node-api";
import type { Column, ColumnBatch } from "../../../contracts/data.ts";
import { Failure } from "../../../contracts/failures.ts";
import type { LocatedSource } from "../locate-source.ts";
import { openSession, sqlName, sqlText } from "../open-session.ts";
import { readNpz } from "./read-npz.ts";

/** Rows of a batch while staging; the archive is never whole in memory. */
const BATCH_ROWS = 8192;

/**
 * Copies an archive's rows into a Parquet file, so that SQL expressions read them as they read any other source: numbers and
 * booleans as DOUBLE, words as VARCHAR, tensors as nested lists.
 * @throws DATA_EMPTY for an archive without rows; as readNpz
 */
export async function stageNpz(
  source: LocatedSource,
  stagedPath: string,
  signal: AbortSignal | undefined,
): Promise<LocatedSource> {
  await rm(stagedPath, { force: true });
  const session = await openSession({ paths: [stagedPath], spillFolder: `${stagedPath}.spill`, signal });
  try {
    const { connection } = session;
    let appender: DuckDBAppender | null = null;
    for await (const batch of readNpz(source, { columns: undefined, batchRows: BATCH_ROWS, signal })) {
      if (appender === null) {
        const columns = [...batch.columns].map(([name, column]) => `${sqlName(name)} ${sqlType(column)}`);
        await connection.run(`CREATE TABLE staged (${columns.join(", ")})`);
        appender = await connection.createAppender("staged");
      }
      append(appender, batch);
    }
    if (appender === null) throw new Failure("DATA_EMPTY", { where: source.path, window: "" });
    appender.closeSync();
    await connection.run(`COPY staged TO ${sqlText(stagedPath)} (FORMAT parquet)`);
    return { path: stagedPath, format: "parquet" };
  } catch (error) {
    await rm(stagedPath, { force: true });
    throw error;
  } finally {
    session.close();
    await rm(`${stagedPath}.spill`, { force: true, recursive: true });
  }
}

function sqlType(column: Column): string {
  if (column.kind === "text") return "VARCHAR";
  return column.kind === "tensor" ? `DOUBLE${"[]".repeat(column.rowShape.length)}` : "DOUBLE";
}

function append(appender: DuckDBAppender, batch: ColumnBatch): void {
  const columns = [...batch.columns.values()];
  for (let row = 0; row < batch.rowCount; row += 1) {
    for (const column of columns) {
      const value = valueAt(column, row);
      if (value === null) appender.appendNull();
      else if (typeof value === "string") appender.appendVarchar(value);
      else if (typeof value === "number") appender.appendDouble(value);
      else appender.appendValue(value);
    }
    appender.endRow();
  }
  appender.flushSync();
}

function valueAt(column: Column, row: number): DuckDBValue {
  if (column.kind === "text") return column.dictionary[column.codes[row] ?? -1] ?? null;
  if (column.kind === "tensor") {
    const size = column.rowShape.reduce((product, length) => product * length, 1);
    return nested(column.values.subarray(row * size, (row + 1) * size), column.rowShape);
  }
  const value = column.values[row] ?? Number.NaN;
  return Number.isNaN(value) ? null : value;
}

/** A row's tensor as lists in lists, outermost axis first. */
function nested(values: Float64Array, shape: readonly number[]): DuckDBValue {
  const [length = 0, ...rest] = shape;
  if (rest.length === 0) return listValue([...values]);
  const size = values.length / Math.max(1, length);
  return listValue(
    Array.from({ length }, (_, index) => nested(values.subarray(index * size, (index + 1) * size), rest)),
  );
}
