import { DuckDBTypeId, type DuckDBType } from "@duckdb/node-api";
import type { ColumnDescription } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import { sqlName } from "./open-session.ts";

/** A column as DuckDB will hand it over: DOUBLE without nulls, VARCHAR, or nested lists of DOUBLE. */
export interface PlannedColumn extends ColumnDescription {
  readonly expression: string;
  /** Levels of lists; 0 for numbers and text. */
  readonly depth: number;
}

export interface SourceColumn {
  readonly name: string;
  readonly type: DuckDBType;
}

const { BOOLEAN, DATE, TIMESTAMP, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS, TIMESTAMP_TZ } = DuckDBTypeId;
const NUMBERS: readonly DuckDBTypeId[] = [
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
  // A column of nothing but nulls.
  DuckDBTypeId.SQLNULL,
];
const TIMES: readonly DuckDBTypeId[] = [DATE, TIMESTAMP, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS, TIMESTAMP_TZ];
const TEXTS: readonly DuckDBTypeId[] = [DuckDBTypeId.VARCHAR, DuckDBTypeId.ENUM, DuckDBTypeId.UUID];

const ALLOWED = "numbers, booleans, dates, timestamps, text, or nested lists of numbers";

/**
 * How each column is read. Whole numbers beyond 2^53 are rounded to the nearest double.
 * @throws COLUMN_TYPE for structs, maps, blobs and what else no model takes
 */
export function planColumn({ name, type }: SourceColumn, where: string): PlannedColumn {
  const column = sqlName(name);
  // DuckDB fills nulls in itself, a vector at a time: cheaper than asking each row here.
  const number = (expression: string) => `coalesce(CAST(${expression} AS DOUBLE), 'NaN'::DOUBLE)`;
  if (NUMBERS.includes(type.typeId)) return { name, type: "number", expression: number(column), depth: 0 };
  if (type.typeId === BOOLEAN) return { name, type: "boolean", expression: number(column), depth: 0 };
  if (TIMES.includes(type.typeId)) {
    // A zoned timestamp is an instant and counts from 1970 as it is; the others are read as if UTC. Infinite ones become null.
    const moment = type.typeId === TIMESTAMP_TZ ? column : `CAST(${column} AS TIMESTAMP)`;
    const expression = number(`epoch_us(${moment}) / 1e3`);
    return { name, type: "timestamp", expression, depth: 0 };
  }
  // DuckDB calls a JSON column that is all nulls or of mixed types JSON; it is VARCHAR by id.
  if (type.alias === "JSON") return { name, type: "text", expression: `${column} ->> '$'`, depth: 0 };
  if (TEXTS.includes(type.typeId)) return { name, type: "text", expression: `CAST(${column} AS VARCHAR)`, depth: 0 };
  const depth = listDepth(type);
  if (depth > 0) {
    return { name, type: "tensor", expression: `CAST(${column} AS DOUBLE${"[]".repeat(depth)})`, depth };
  }
  throw new Failure("COLUMN_TYPE", { where, column: name, found: type.toString(), allowed: ALLOWED });
}

/** Levels of lists or fixed arrays around numbers or booleans; 0 for everything else. */
function listDepth(type: DuckDBType): number {
  if (type.typeId !== DuckDBTypeId.LIST && type.typeId !== DuckDBTypeId.ARRAY) return 0;
  const inner = type.valueType;
  if (NUMBERS.includes(inner.typeId) || inner.typeId === BOOLEAN) return 1;
  const depth = listDepth(inner);
  return depth === 0 ? 0 : depth + 1;
}

/**
 * The wanted columns in the wanted order, or all in the file's.
 * @throws COLUMN_MISSING
 */
export function pickColumns<Found extends { readonly name: string }>(
  found: readonly Found[],
  wanted: readonly string[] | undefined,
  where: string,
): readonly Found[] {
  if (wanted === undefined) return found;
  return [...new Set(wanted)].map((column) => {
    const match = found.find(({ name }) => name === column);
    if (match !== undefined) return match;
    throw new Failure("COLUMN_MISSING", {
      where,
      column,
      found: found.map(({ name }) => name).join(", ") || "no columns",
    });
  });
}
