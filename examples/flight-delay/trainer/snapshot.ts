import { DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";

import type { Rows } from "./network.ts";

/** The parts of the manifest that say what may be read. */
export interface SnapshotRequest {
  readonly path: string;
  readonly rowCount: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly features: readonly string[];
  readonly label: string;
  /** At most about this many rows are used, spread evenly over the file. */
  readonly sampleRows: number;
  readonly seed: number;
}

interface NumberColumn {
  readonly name: string;
  readonly mean: number;
  readonly deviation: number;
}

interface CategoryColumn {
  readonly name: string;
  /** Index 0 stands for every value that is not listed. */
  readonly vocabulary: readonly string[];
}

/** The sample and everything fixed by it that serving must repeat. */
export interface Snapshot {
  readonly rows: Rows;
  readonly numbers: readonly NumberColumn[];
  readonly categories: readonly CategoryColumn[];
}

/** A value of a category needs this many rows to get an embedding of its own; rarer ones teach the one for unknown values. */
const MINIMUM_VALUE_ROWS = 20;
const UNKNOWN = "(unknown)";

/** Reads a sample of the snapshot: number and boolean features become numbers, text features categories. */
export async function loadSnapshot(request: SnapshotRequest): Promise<Snapshot> {
  const types = new Map(request.columns.map(({ name, type }) => [name, type]));
  const ofType = (allowed: readonly string[]) =>
    request.features.filter((name) => allowed.includes(types.get(name) ?? ""));
  const numberNames = ofType(["number", "boolean"]);
  const categoryNames = ofType(["text"]);
  const unused = request.features.filter((name) => !numberNames.includes(name) && !categoryNames.includes(name));
  if (unused.length > 0) throw new Error(`features of a type this trainer cannot read: ${unused.join(", ")}`);

  const columns = await readColumns(request, numberNames, categoryNames);
  const count = columns.at(-1)!.length;
  if (count === 0) throw new Error(`${request.path}: no row with features and label`);
  const numbers = numberNames.map((name, i) => describeNumber(name, columns[i]!));
  const categories = categoryNames.map((name, i) => describeCategory(name, columns[numberNames.length + i]!));
  return { rows: encode(columns, count, numbers, categories), numbers, categories };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Plain columns in the order numbers, categories, label. */
async function readColumns(
  request: SnapshotRequest,
  numberNames: readonly string[],
  categoryNames: readonly string[],
): Promise<DuckDBValue[][]> {
  const expressions = [
    ...numberNames.map((name) => `CAST(${quoted(name)} AS DOUBLE)`),
    ...categoryNames.map((name) => quoted(name)),
    `CAST(${quoted(request.label)} AS INTEGER)`,
  ];
  const complete = [...numberNames, request.label].map((name) => `${quoted(name)} IS NOT NULL`);
  // A multiplicative hash of the row number spreads the sample evenly over the file and is the same in every DuckDB version.
  const limit = Math.ceil(2 ** 32 * Math.min(1, request.sampleRows / request.rowCount));
  const sampled = `(file_row_number * 2654435761 + ${request.seed} * 40503) % 4294967296 < ${limit}`;
  const source = `read_parquet('${request.path.replaceAll("'", "''")}', file_row_number = true)`;

  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const sql = `SELECT ${expressions.join(", ")} FROM ${source} WHERE ${[...complete, sampled].join(" AND ")}`;
    return (await connection.runAndReadAll(sql)).getColumns();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function describeNumber(name: string, values: readonly DuckDBValue[]): NumberColumn {
  const mean = values.reduce<number>((sum, value) => sum + Number(value), 0) / values.length;
  const squares = values.reduce<number>((sum, value) => sum + (Number(value) - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / values.length);
  return { name, mean, deviation: deviation > 0 ? deviation : 1 };
}

function describeCategory(name: string, values: readonly DuckDBValue[]): CategoryColumn {
  const counts = new Map<string, number>();
  for (const value of values) if (typeof value === "string") counts.set(value, (counts.get(value) ?? 0) + 1);
  const frequent = [...counts].filter(([, count]) => count >= MINIMUM_VALUE_ROWS).map(([value]) => value);
  return { name, vocabulary: [UNKNOWN, ...frequent.sort()] };
}

function encode(
  columns: readonly (readonly DuckDBValue[])[],
  count: number,
  numbers: readonly NumberColumn[],
  categories: readonly CategoryColumn[],
): Rows {
  const encoded = {
    count,
    numbers: new Float32Array(count * numbers.length),
    categories: new Int32Array(count * categories.length),
    labels: Uint8Array.from(columns.at(-1)!, Number),
  };
  numbers.forEach(({ mean, deviation }, k) => {
    const values = columns[k]!;
    for (let r = 0; r < count; r++) encoded.numbers[r * numbers.length + k] = (Number(values[r]) - mean) / deviation;
  });
  categories.forEach(({ vocabulary }, c) => {
    const indices = new Map<DuckDBValue, number>(vocabulary.map((value, index) => [value, index]));
    const values = columns[numbers.length + c]!;
    for (let r = 0; r < count; r++) encoded.categories[r * categories.length + c] = indices.get(values[r]!) ?? 0;
  });
  return encoded;
}
