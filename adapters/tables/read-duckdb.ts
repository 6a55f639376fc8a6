import type { DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api";
import type { Column, ColumnBatch, ColumnDescription } from "../../contracts/data.ts";
import { isFailure } from "../../contracts/failures.ts";
import { batchCapacity } from "./batch-capacity.ts";
import {
  createNumberBuilder,
  createTensorBuilder,
  createTextBuilder,
  firstRowShape,
  type ColumnBuilder,
} from "./column-builder.ts";
import type { LocatedSource } from "./locate-source.ts";
import { asUnreadable, openSession, sqlText } from "./open-session.ts";
import { pickColumns, planColumn, type PlannedColumn, type SourceColumn } from "./plan-columns.ts";
import { createTextDictionary } from "./text-dictionary.ts";

export interface ReadOptions {
  /** Columns in this order; by default all in the file's. */
  readonly columns?: readonly string[] | undefined;
  readonly batchRows: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The file as a SQL relation. Types of CSV and JSON are found by reading all of it: a sample would make the type of a column
 * hang on which rows come first. Folder names like `year=2001` are no columns.
 */
export function relationOf({ path, format }: LocatedSource): string {
  const file = sqlText(path);
  if (format === "parquet") return `read_parquet(${file}, hive_partitioning = false)`;
  if (format === "csv") return `read_csv(${file}, sample_size = -1, hive_partitioning = false)`;
  return `read_json(${file}, sample_size = -1, maximum_depth = -1, convert_strings_to_integers = false, hive_partitioning = false)`;
}

/** Names and DuckDB types of the file's columns. */
export async function sourceColumns(connection: DuckDBConnection, source: LocatedSource): Promise<SourceColumn[]> {
  const result = await connection.run(`SELECT * FROM ${relationOf(source)} LIMIT 0`);
  const types = result.columnTypes();
  return result.columnNames().flatMap((name, index) => {
    const type = types[index];
    return type === undefined ? [] : [{ name, type }];
  });
}

export async function describeDuckdb(source: LocatedSource, columns?: readonly string[]): Promise<ColumnDescription[]> {
  const session = await openSession({ paths: [source.path] });
  try {
    const found = await sourceColumns(session.connection, source);
    const planned = pickColumns(found, columns, source.path).map((column) => planColumn(column, source.path));
    return planned.map(({ name, type }) => ({ name, type }));
  } catch (error) {
    throw asUnreadable(error, source.path, `a readable ${source.format} file`);
  } finally {
    session.close();
  }
}

export async function* readDuckdb(source: LocatedSource, options: ReadOptions): AsyncGenerator<ColumnBatch> {
  const { signal } = options;
  const session = await openSession({ paths: [source.path], signal });
  try {
    const found = await sourceColumns(session.connection, source);
    const planned = pickColumns(found, options.columns, source.path).map((column) => planColumn(column, source.path));
    const expressions = planned.map(({ expression }) => expression).join(", ") || "1";
    const result = await session.connection.stream(`SELECT ${expressions} FROM ${relationOf(source)}`);
    let assembly: Assembly | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      assembly ??= createAssembly(planned, chunk, options.batchRows, source.path);
      yield* assembly.append(chunk);
    }
    if (assembly !== undefined) yield* assembly.finish();
  } catch (error) {
    signal?.throwIfAborted();
    throw isFailure(error) ? error : asUnreadable(error, source.path, `a readable ${source.format} file`);
  } finally {
    session.close();
  }
}

/** Cuts DuckDB's chunks of 2048 rows into batches of the wanted size. */
interface Assembly {
  readonly append: (chunk: DuckDBDataChunk) => Generator<ColumnBatch>;
  readonly finish: () => Generator<ColumnBatch>;
}

function createAssembly(
  planned: readonly PlannedColumn[],
  first: DuckDBDataChunk,
  batchRows: number,
  where: string,
): Assembly {
  const shapes = planned.map((column, index) =>
    column.type === "tensor" ? firstRowShape(column, first.getColumnVector(index), where) : [],
  );
  const capacity = batchCapacity(shapes, batchRows);
  const builders = planned.map((column, index): ColumnBuilder => {
    if (column.type === "text") return createTextBuilder(capacity, createTextDictionary());
    if (column.type === "tensor") return createTensorBuilder(column, capacity, shapes[index] ?? [], where);
    return createNumberBuilder(capacity);
  });
  let rowCount = 0;
  const take = (): ColumnBatch => {
    const columns = new Map<string, Column>();
    planned.forEach(({ name }, index) => {
      const column = builders[index]?.take();
      if (column !== undefined) columns.set(name, column);
    });
    const batch = { rowCount, columns };
    rowCount = 0;
    return batch;
  };
  return {
    *append(chunk) {
      for (let from = 0; from < chunk.rowCount;) {
        const to = Math.min(chunk.rowCount, from + capacity - rowCount);
        builders.forEach((builder, index) => builder.append(chunk.getColumnVector(index), from, to));
        rowCount += to - from;
        from = to;
        if (rowCount === capacity) yield take();
      }
    },
    *finish() {
      if (rowCount > 0) yield take();
    },
  };
}
