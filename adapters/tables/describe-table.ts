import type { ColumnDescription, DataSource } from "../../contracts/data.ts";
import { locateSource } from "./locate-source.ts";
import { describeNpz } from "./npz/read-npz.ts";
import { describeDuckdb } from "./read-duckdb.ts";

export interface DescribeOptions {
  /** Only these columns, in this order; others may be of any type. */
  readonly columns?: readonly string[];
}

/**
 * Names and types of a file's columns, in its order.
 * @throws FILE_MISSING, DATA_UNREADABLE, COLUMN_MISSING, COLUMN_TYPE
 */
export async function describeTable(source: DataSource, options: DescribeOptions = {}): Promise<ColumnDescription[]> {
  const located = await locateSource(source);
  return located.format === "npz" ? describeNpz(located, options.columns) : describeDuckdb(located, options.columns);
}
