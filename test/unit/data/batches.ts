import type { Column, ColumnBatch } from "../../../contracts/data.ts";

/** A batch from plain values; null is missing. */
export function batchOf(columns: Record<string, Column | readonly (number | string | null)[]>): ColumnBatch {
  const made = new Map<string, Column>();
  let rowCount = 0;
  for (const [name, values] of Object.entries(columns)) {
    if ("kind" in values) {
      made.set(name, values);
      continue;
    }
    rowCount = values.length;
    made.set(name, columnOf(values));
  }
  return { rowCount, columns: made };
}

function columnOf(values: readonly (number | string | null)[]): Column {
  if (!values.some((value) => typeof value === "string")) {
    return { kind: "number", values: Float64Array.from(values, (value) => Number(value ?? NaN)) };
  }
  const dictionary = [...new Set(values.filter((value) => value !== null).map(String))];
  return {
    kind: "text",
    codes: Int32Array.from(values, (value) => (value === null ? -1 : dictionary.indexOf(String(value)))),
    dictionary,
  };
}
