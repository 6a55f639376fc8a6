import type { ColumnBatch, DataSource } from "../../contracts/data.ts";
import { locateSource } from "./locate-source.ts";
import { readNpz } from "./npz/read-npz.ts";
import { readDuckdb } from "./read-duckdb.ts";

export interface BatchOptions {
  /** Columns in this order; by default all, in the file's order. */
  readonly columns?: readonly string[];
  /** Most rows of a batch; fewer when rows are wide tensors. Default 65 536. */
  readonly batchRows?: number;
  readonly signal?: AbortSignal;
}

/**
 * The rows of a Parquet, CSV, JSON Lines or npz file in the file's order, a batch at a time and never whole in memory. A file
 * without rows gives no batch. Text columns share one dictionary array from batch to batch while no new words come.
 *
 * DuckDB is native code: call this in a job's process (adapters/compute), not on a worker's main thread.
 * @throws FILE_MISSING, DATA_UNREADABLE, COLUMN_MISSING, COLUMN_TYPE; the signal's reason
 */
export async function* readBatches(source: DataSource, options: BatchOptions = {}): AsyncGenerator<ColumnBatch> {
  const located = await locateSource(source);
  const settings = { columns: options.columns, batchRows: options.batchRows ?? 65_536, signal: options.signal };
  yield* located.format === "npz" ? readNpz(located, settings) : readDuckdb(located, settings);
}
