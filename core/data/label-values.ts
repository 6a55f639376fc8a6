import type { ColumnBatch } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import { requireColumn } from "./require-column.ts";

/**
 * The label of each row, 0 or 1.
 * @throws COLUMN_MISSING; COLUMN_TYPE for text, tensors, nulls and numbers other than 0 and 1, naming the row in the batch
 */
export function labelValues(batch: ColumnBatch, column: string, where = "data"): Uint8Array {
  const allowed = "0/1 or boolean without nulls (it is the label)";
  const label = requireColumn(batch, column, where);
  if (label.kind !== "number") throw new Failure("COLUMN_TYPE", { where, column, found: label.kind, allowed });
  const values = new Uint8Array(batch.rowCount);
  for (let row = 0; row < values.length; row++) {
    const value = label.values[row]!;
    if (value !== 0 && value !== 1) {
      const found = `${Number.isNaN(value) ? "null" : value} in row ${row}`;
      throw new Failure("COLUMN_TYPE", { where, column, found, allowed });
    }
    values[row] = value;
  }
  return values;
}
