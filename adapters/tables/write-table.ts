import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ColumnDescription, DataFormat, DataSource } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import { checkSelect, type Select } from "./check-select.ts";
import { locateSource, type LocatedSource } from "./locate-source.ts";
import { stageNpz } from "./npz/stage-npz.ts";
import { asUnreadable, duckdbComplaint, openSession, sqlName, sqlText } from "./open-session.ts";
import { planColumn } from "./plan-columns.ts";
import { relationOf, sourceColumns } from "./read-duckdb.ts";

type WrittenFormat = Exclude<DataFormat, "npz">;

/** How each format is written; sizes are fixed so that the same rows give the same bytes on every machine. */
const WRITERS: Readonly<Record<WrittenFormat, string>> = {
  parquet: "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, PARQUET_VERSION v1",
  csv: "FORMAT csv, HEADER",
  jsonl: "FORMAT json",
};

/** What a query over the selected columns may see while it is made. */
export interface TableWriting {
  readonly source: DataSource;
  /** By default all columns as they are. */
  readonly select?: Select | undefined;
  readonly outputPath: string;
  readonly format: WrittenFormat;
  readonly signal?: AbortSignal | undefined;
  /** The query over the relation of the selected columns; told their types, so that it can refuse. */
  readonly query: (
    selected: string,
    columns: readonly ColumnDescription[],
    connection: DuckDBConnection,
  ) => Promise<string>;
}

/**
 * Writes the query's rows to the output, which appears whole or not at all, and hands the still open database and the written
 * file's relation to `measure`. Only the source can be read and only the output written, whatever the SQL says.
 */
export async function writeTable<Measured>(
  writing: TableWriting,
  measure: (connection: DuckDBConnection, written: string, columns: readonly ColumnDescription[]) => Promise<Measured>,
): Promise<Measured> {
  const { signal } = writing;
  const located = await locateSource(writing.source);
  const outputPath = resolve(writing.outputPath);
  const partial = `${outputPath}.partial`;
  const spillFolder = `${outputPath}.spill`;
  const stagedPath = `${outputPath}.staged`;
  // DuckDB writes beside a file that is already there, where it may not: a killed attempt may have left one.
  await rm(partial, { force: true });
  const source = located.format === "npz" ? await stageNpz(located, stagedPath, signal) : located;
  const session = await openSession({ paths: [source.path, partial], spillFolder, signal });
  try {
    const { connection } = session;
    const { selected, columns } = await selectedColumns(connection, source, writing.select);
    const query = await writing.query(selected, columns, connection);
    await copyTo(connection, `COPY (${query}) TO ${sqlText(partial)} (${WRITERS[writing.format]})`, source.path);
    const written = relationOf({ path: partial, format: writing.format });
    const measured = await measure(connection, written, columns);
    await rename(partial, outputPath);
    return measured;
  } catch (error) {
    signal?.throwIfAborted();
    throw isFailure(error) ? error : asUnreadable(error, source.path, `a readable ${source.format} file`);
  } finally {
    session.close();
    await rm(partial, { force: true });
    await rm(spillFolder, { force: true, recursive: true });
    await rm(stagedPath, { force: true });
  }
}

async function selectedColumns(connection: DuckDBConnection, source: LocatedSource, select: Select | undefined) {
  const found = await sourceColumns(connection, source);
  const relation = `${relationOf(source)} AS source`;
  if (select === undefined) {
    return { selected: `SELECT * FROM ${relation}`, columns: found.map((column) => describe(column, source.path)) };
  }
  // The checks bind against an empty copy: binding a CSV file reads it whole to find its types.
  await connection.run(`CREATE TEMP TABLE source AS SELECT * FROM ${relation} LIMIT 0`);
  await checkSelect(connection, select, { name: "source", columns: found.map(({ name }) => name) });
  const list = Object.entries(select).map(([name, expression]) => `(${expression}\n) AS ${sqlName(name)}`);
  const selection = `SELECT ${list.join(", ")} FROM`;
  const typed = await connection.run(`${selection} source`);
  const types = typed.columnTypes();
  const columns = Object.keys(select).flatMap((name, index) => {
    const type = types[index];
    return type === undefined ? [] : [describe({ name, type }, "data.select")];
  });
  return { selected: `${selection} ${relation}`, columns };
}

function describe(column: Parameters<typeof planColumn>[0], where: string): ColumnDescription {
  const { name, type } = planColumn(column, where);
  return { name, type };
}

/** A value that an expression cannot convert is the expression's fault, anything else the file's. */
async function copyTo(connection: DuckDBConnection, sql: string, path: string): Promise<void> {
  try {
    await connection.run(sql);
  } catch (error) {
    const complaint = duckdbComplaint(error) ?? "";
    if (/^(Conversion|Out of Range|Mismatch Type) Error/.test(complaint) && !/CSV|JSON/.test(complaint)) {
      const problems = `an expression cannot convert a value of ${path}: ${complaint}; try_cast gives null instead`;
      throw new Failure("INPUT_INVALID", { where: "data.select", problems }, { cause: error });
    }
    throw error;
  }
}
