import { extname } from "node:path";
import type { ColumnDescription, DataSource } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Select } from "./check-select.ts";
import { writeTable } from "./write-table.ts";

export interface CopyOptions {
  /** Name to SQL expression; by default all columns as they are. */
  readonly select?: Select;
  readonly signal?: AbortSignal;
}

const FORMATS = { ".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl" } as const;

/**
 * Copies a table to another file, in the source's order, in the format of the output's ending (.parquet, .csv, .jsonl).
 * @returns the written columns
 * @throws as writeSnapshot, but an empty table is copied too
 */
export async function copyTable(
  source: DataSource,
  outputPath: string,
  { select, signal }: CopyOptions = {},
): Promise<readonly ColumnDescription[]> {
  const ending = extname(outputPath);
  if (!(ending in FORMATS)) {
    const allowed = Object.keys(FORMATS).join(", ");
    throw new Failure("INPUT_INVALID", {
      where: outputPath,
      problems: `unknown ending "${ending}"; allowed: ${allowed}`,
    });
  }
  const format = FORMATS[ending as keyof typeof FORMATS];
  return writeTable(
    { source, select, outputPath, format, signal, query: async (selected) => selected },
    async (_connection, _written, columns) => columns,
  );
}
