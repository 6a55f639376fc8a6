import { readBatches, type BatchOptions } from "../../../adapters/tables/read-batches.ts";
import type { ColumnBatch, DataSource } from "../../../contracts/data.ts";

/** All batches of a small file. */
export async function readAll(source: DataSource, options: BatchOptions = {}): Promise<ColumnBatch[]> {
  const batches: ColumnBatch[] = [];
  for await (const batch of readBatches(source, options)) batches.push(batch);
  return batches;
}

/** One column row by row as plain values: null, number, text, or the numbers of a tensor row. */
export function rowsOf(batches: readonly ColumnBatch[], name: string): (number | string | null | number[])[] {
  return batches.flatMap((batch): (number | string | null | number[])[] => {
    const column = batch.columns.get(name);
    if (column === undefined) throw new Error(`no column ${name}`);
    if (column.kind === "number") return Array.from(column.values, (value) => (Number.isNaN(value) ? null : value));
    if (column.kind === "text") return Array.from(column.codes, (code) => column.dictionary[code] ?? null);
    const width = column.rowShape.reduce((product, size) => product * size, 1);
    return Array.from({ length: batch.rowCount }, (_, row) => [
      ...column.values.subarray(row * width, (row + 1) * width),
    ]);
  });
}
