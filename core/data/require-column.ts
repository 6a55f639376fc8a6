import type { Column, ColumnBatch } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";

/**
 * The column of that name.
 * @throws COLUMN_MISSING, naming the columns there are
 */
export function requireColumn(batch: ColumnBatch, column: string, where: string): Column {
  const found = batch.columns.get(column);
  if (found === undefined) {
    throw new Failure("COLUMN_MISSING", { where, column, found: [...batch.columns.keys()].join(", ") || "no columns" });
  }
  return found;
}
