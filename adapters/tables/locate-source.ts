import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DATA_FORMATS, type DataFormat, type DataSource } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";

export interface LocatedSource {
  /** Absolute: what DuckDB is allowed to open is compared as text. */
  readonly path: string;
  readonly format: DataFormat;
}

/** Endings by format; a compressed file keeps its ending before `.gz` or `.zst`. */
const ENDINGS: readonly (readonly [ending: RegExp, format: DataFormat])[] = [
  [/\.(parquet|pq)$/i, "parquet"],
  [/\.(csv|tsv)(\.gz|\.zst)?$/i, "csv"],
  [/\.(jsonl|ndjson|json)(\.gz|\.zst)?$/i, "jsonl"],
  [/\.npz$/i, "npz"],
];

/**
 * Finds the file and its format.
 * @throws FILE_MISSING; DATA_UNREADABLE for folders and for endings that name no format when the source names none
 */
export async function locateSource(source: DataSource): Promise<LocatedSource> {
  const path = resolve(source.path);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Failure("FILE_MISSING", { path: source.path, what: "the data source" });
  if (!found.isFile())
    throw new Failure("DATA_UNREADABLE", { path: source.path, found: "a folder", allowed: "one file" });
  const format = source.format ?? ENDINGS.find(([ending]) => ending.test(path))?.[1];
  if (format === undefined) {
    throw new Failure("DATA_UNREADABLE", {
      path: source.path,
      found: "an unknown ending",
      allowed: `${DATA_FORMATS.map((name) => `.${name}`).join(", ")}, or name the format`,
    });
  }
  return { path, format };
}
