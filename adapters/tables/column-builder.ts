import { DuckDBDoubleVector, DuckDBListVector, DuckDBVarCharVector, type DuckDBVector } from "@duckdb/node-api";
import type { Column } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { PlannedColumn } from "./plan-columns.ts";
import type { TextDictionary } from "./text-dictionary.ts";

/** Gathers one column of a batch out of DuckDB's vectors, row ranges at a time. */
export interface ColumnBuilder {
  /** Appends rows `from` to `to` of the vector. */
  readonly append: (vector: DuckDBVector, from: number, to: number) => void;
  /** The rows so far; the builder starts over empty. */
  readonly take: () => Column;
}

export function createNumberBuilder(capacity: number): ColumnBuilder {
  let values = new Float64Array(capacity);
  let count = 0;
  return {
    append(vector, from, to) {
      if (!(vector instanceof DuckDBDoubleVector)) throw new TypeError("planned as DOUBLE");
      for (let row = from; row < to; row++) values[count++] = vector.getItem(row) ?? NaN;
    },
    take() {
      const taken = count === values.length ? values : values.slice(0, count);
      values = new Float64Array(capacity);
      count = 0;
      return { kind: "number", values: taken };
    },
  };
}

export function createTextBuilder(capacity: number, dictionary: TextDictionary): ColumnBuilder {
  let codes = new Int32Array(capacity);
  let count = 0;
  return {
    append(vector, from, to) {
      if (!(vector instanceof DuckDBVarCharVector)) throw new TypeError("planned as VARCHAR");
      for (let row = from; row < to; row++) codes[count++] = dictionary.codeOf(vector.getItem(row));
    },
    take() {
      const taken = count === codes.length ? codes : codes.slice(0, count);
      codes = new Int32Array(capacity);
      count = 0;
      return { kind: "text", codes: taken, dictionary: dictionary.take() };
    },
  };
}

/** `rowShape` is the first row's; every other row must have the same. */
export function createTensorBuilder(
  column: PlannedColumn,
  capacity: number,
  rowShape: readonly number[],
  where: string,
): ColumnBuilder {
  const rowSize = rowShape.reduce((product, size) => product * size, 1);
  let values = new Float64Array(capacity * rowSize);
  let count = 0;
  const refuse = (found: string): never => {
    const allowed = `${rowShape.join(" x ")} numbers in every row, as in the first`;
    throw new Failure("COLUMN_TYPE", { where, column: column.name, found, allowed });
  };
  const copy = (vector: DuckDBVector | null, from: number, length: number, axis: number): void => {
    if (vector === null || length !== rowShape[axis]) {
      refuse(vector === null ? "null in a row" : `${length} long at depth ${axis + 1} in a row`);
    } else if (vector instanceof DuckDBDoubleVector) {
      for (let item = from; item < from + length; item++) values[count++] = vector.getItem(item) ?? NaN;
    } else if (vector instanceof DuckDBListVector) {
      for (let item = from; item < from + length; item++) {
        const inner = vector.getItemVector(item);
        copy(inner, 0, inner?.itemCount ?? 0, axis + 1);
      }
    }
  };
  return {
    append(vector, from, to) {
      if (!(vector instanceof DuckDBListVector)) throw new TypeError("planned as a list");
      for (let row = from; row < to; row++) {
        const inner = vector.getItemVector(row);
        copy(inner, 0, inner?.itemCount ?? 0, 0);
      }
    },
    take() {
      const taken = count === values.length ? values : values.slice(0, count);
      values = new Float64Array(capacity * rowSize);
      count = 0;
      return { kind: "tensor", values: taken, rowShape };
    },
  };
}

/**
 * Shape of the first row of a nested list.
 * @throws COLUMN_TYPE when it is null or has an empty list inside a list
 */
export function firstRowShape(column: PlannedColumn, vector: DuckDBVector, where: string): readonly number[] {
  const shape: number[] = [];
  let level: DuckDBVector | null = vector;
  for (let axis = 0; axis < column.depth; axis++) {
    level = level instanceof DuckDBListVector && level.itemCount > 0 ? level.getItemVector(0) : null;
    if (level === null) {
      const allowed = "lists of one shape without nulls";
      throw new Failure("COLUMN_TYPE", {
        where,
        column: column.name,
        found: "null or empty in the first row",
        allowed,
      });
    }
    shape.push(level.itemCount);
  }
  return shape;
}
