import type { Column, ColumnBatch } from "../../contracts/data.ts";

/** The rows of a batch at these positions, copied. */
export function takeRows(batch: ColumnBatch, rows: readonly number[]): ColumnBatch {
  const columns = new Map([...batch.columns].map(([name, column]) => [name, takeColumn(column, rows)]));
  return { rowCount: rows.length, columns };
}

/** At most `rowCount` rows of a batch, evenly apart. */
export function spreadRows(batch: ColumnBatch, rowCount: number): ColumnBatch {
  const taken = Math.min(rowCount, batch.rowCount);
  return takeRows(
    batch,
    Array.from({ length: taken }, (_, at) => Math.floor((at * batch.rowCount) / taken)),
  );
}

function takeColumn(column: Column, rows: readonly number[]): Column {
  // Loops: `from` with a function takes many times as long.
  if (column.kind === "text") {
    const codes = new Int32Array(rows.length);
    for (let index = 0; index < rows.length; index++) codes[index] = column.codes[rows[index]!]!;
    return { ...column, codes };
  }
  if (column.kind === "number") {
    const values = new Float64Array(rows.length);
    for (let index = 0; index < rows.length; index++) values[index] = column.values[rows[index]!]!;
    return { ...column, values };
  }
  const size = column.rowShape.reduce((product, axis) => product * axis, 1);
  const values = new Float64Array(rows.length * size);
  for (const [index, row] of rows.entries()) {
    values.set(column.values.subarray(row * size, (row + 1) * size), index * size);
  }
  return { ...column, values };
}
