import { open, type FileHandle } from "node:fs/promises";
import type { Column, ColumnBatch, ColumnDescription } from "../../../contracts/data.ts";
import { Failure } from "../../../contracts/failures.ts";
import { batchCapacity } from "../batch-capacity.ts";
import type { LocatedSource } from "../locate-source.ts";
import { pickColumns } from "../plan-columns.ts";
import type { ReadOptions } from "../read-duckdb.ts";
import { createTextDictionary, type TextDictionary } from "../text-dictionary.ts";
import { decodeNpy } from "./decode-npy.ts";
import { openMember, type MemberReader } from "./open-member.ts";
import { NPY_PREFIX_BYTES, npyHeaderEnd, parseNpyHeader, type NpyHeader } from "./parse-npy-header.ts";
import { readZipEntries, type ZipEntry } from "./read-zip.ts";
import { unreadable } from "./unreadable.ts";

/** A row is read whole; this is a picture of 4096 x 4096 in doubles. */
const MOST_ROW_BYTES = 128 * 1024 * 1024;

/** One array of the archive, open just behind its header. */
interface NpzColumn {
  readonly name: string;
  readonly header: NpyHeader;
  readonly rowBytes: number;
  readonly reader: MemberReader;
  readonly dictionary: TextDictionary;
}

export async function describeNpz(source: LocatedSource, columns?: readonly string[]): Promise<ColumnDescription[]> {
  return withColumns(source, columns, async (opened) =>
    opened.map(({ name, header }) => ({ name, type: typeOf(header) })),
  );
}

/** Rows of an archive of arrays: the first axis counts rows, further axes are a tensor a row. */
export async function* readNpz(source: LocatedSource, options: ReadOptions): AsyncGenerator<ColumnBatch> {
  const file = await open(source.path);
  const opened: NpzColumn[] = [];
  try {
    await openColumns(file, source, options.columns, opened);
    const rows = rowCountOf(opened, source.path);
    const capacity = batchCapacity(
      opened.map(({ header, rowBytes }) => (header.type === "U" ? [rowBytes] : header.shape.slice(1))),
      options.batchRows,
    );
    for (let from = 0; from < rows; from += capacity) {
      options.signal?.throwIfAborted();
      const rowCount = Math.min(capacity, rows - from);
      const columns = new Map<string, Column>();
      for (const column of opened) columns.set(column.name, await readColumn(column, rowCount, source.path));
      yield { rowCount, columns };
    }
    for (const { reader } of opened) await reader.end();
  } finally {
    for (const { reader } of opened) reader.close();
    await file.close();
  }
}

async function withColumns<Result>(
  source: LocatedSource,
  columns: readonly string[] | undefined,
  use: (opened: readonly NpzColumn[]) => Promise<Result>,
): Promise<Result> {
  const file = await open(source.path);
  const opened: NpzColumn[] = [];
  try {
    await openColumns(file, source, columns, opened);
    rowCountOf(opened, source.path);
    return await use(opened);
  } finally {
    for (const { reader } of opened) reader.close();
    await file.close();
  }
}

async function openColumns(
  file: FileHandle,
  { path }: LocatedSource,
  columns: readonly string[] | undefined,
  opened: NpzColumn[],
): Promise<void> {
  const entries = await readZipEntries(file, path);
  const named = entries.map((entry) => ({ name: entry.name.replace(/\.npy$/, ""), entry }));
  for (const { name, entry } of pickColumns(named, columns, path))
    opened.push(await openColumn(file, name, entry, path));
}

async function openColumn(file: FileHandle, name: string, entry: ZipEntry, path: string): Promise<NpzColumn> {
  const reader = await openMember(file, entry, path);
  const prefix = Buffer.alloc(NPY_PREFIX_BYTES);
  await reader.readInto(prefix);
  const { textStart, end } = npyHeaderEnd(prefix, name, path);
  const text = Buffer.alloc(end - NPY_PREFIX_BYTES);
  await reader.readInto(text);
  const header = parseNpyHeader(prefix.toString("latin1", textStart) + text.toString("latin1"), name, path);
  const [rows, ...rowShape] = header.shape;
  if (rows === undefined) {
    throw new Failure("COLUMN_TYPE", {
      where: path,
      column: name,
      found: "a single value",
      allowed: "an array with a row axis",
    });
  }
  if (header.type === "U" && rowShape.length > 0) {
    const found = `text of ${rowShape.join(" x ")} a row`;
    throw new Failure("COLUMN_TYPE", { where: path, column: name, found, allowed: "one text a row, or numbers" });
  }
  const rowBytes = rowShape.reduce((product, size) => product * size, header.itemBytes);
  if (rowBytes === 0 || rowBytes > MOST_ROW_BYTES) {
    throw unreadable(path, `array "${name}" has rows of ${rowBytes} bytes`, `1 to ${MOST_ROW_BYTES} bytes a row`);
  }
  if (end + rows * rowBytes !== entry.sizeBytes) {
    const found = `array "${name}" says ${rows} rows of ${rowBytes} bytes but has ${entry.sizeBytes - end} bytes`;
    throw unreadable(path, found, "a shape that fits the data");
  }
  return { name, header, rowBytes, reader, dictionary: createTextDictionary() };
}

function rowCountOf(opened: readonly NpzColumn[], path: string): number {
  const rows = opened[0]?.header.shape[0] ?? 0;
  const other = opened.find(({ header }) => header.shape[0] !== rows);
  if (other !== undefined) {
    const found = `"${opened[0]?.name}" has ${rows} rows, "${other.name}" ${other.header.shape[0]}`;
    throw unreadable(path, found, "arrays of the same length in the first axis");
  }
  return rows;
}

async function readColumn(column: NpzColumn, rowCount: number, path: string): Promise<Column> {
  const bytes = new Uint8Array(rowCount * column.rowBytes);
  await column.reader.readInto(bytes);
  try {
    return decodeNpy(column.header, bytes, column.dictionary);
  } catch (error) {
    if (error instanceof RangeError)
      throw unreadable(path, `text of "${column.name}" is no Unicode`, "UTF-32 text", error);
    throw error;
  }
}

function typeOf({ type, shape }: NpyHeader): ColumnDescription["type"] {
  if (type === "U") return "text";
  if (shape.length > 1) return "tensor";
  return type === "b1" ? "boolean" : "number";
}
