import type { ColumnBatch } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";

export interface SliceCodes {
  readonly column: string;
  /** Index into `values` of every row so far; -1 is null. */
  readonly codes: Int32Array;
  readonly values: readonly string[];
}

/** Collects a column's values as codes over all batches: text by its words, numbers by their decimal form. */
export function createSliceCollector(column: string, where: string) {
  const codeOf = new Map<string, number>();
  const parts: Int32Array[] = [];
  const code = (value: string): number => {
    let found = codeOf.get(value);
    if (found === undefined) codeOf.set(value, (found = codeOf.size));
    return found;
  };

  return {
    /** @throws COLUMN_TYPE for a column of tensors */
    add(batch: ColumnBatch): void {
      const found = batch.columns.get(column);
      if (found?.kind === "text") {
        // Each word is looked up once a batch, not once a row.
        const wordCodes = new Int32Array(found.dictionary.length).fill(-1);
        parts.push(
          found.codes.map((word) => {
            if (word < 0) return -1;
            if (wordCodes[word] === -1) wordCodes[word] = code(found.dictionary[word]!);
            return wordCodes[word]!;
          }),
        );
      } else if (found?.kind === "number") {
        parts.push(Int32Array.from(found.values, (value) => (Number.isNaN(value) ? -1 : code(String(value)))));
      } else {
        const kind = found?.kind ?? "missing";
        throw new Failure("COLUMN_TYPE", { where, column, found: kind, allowed: "text or numbers (it names slices)" });
      }
    },
    finish(): SliceCodes {
      return { column, codes: joinArrays(parts, Int32Array), values: [...codeOf.keys()] };
    },
  };
}

type Joinable = Int32Array | Uint8Array | Float32Array | Float64Array;

/** The parts one after another in one array of the given kind. */
export function joinArrays<Array extends Joinable>(
  parts: readonly ArrayLike<number>[],
  kind: new (length: number) => Array,
): Array {
  const joined = new kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
