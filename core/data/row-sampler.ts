import type { ColumnBatch } from "../../contracts/data.ts";

/** One feature of the sampled rows; words are numbered, alike in every sample of the same vocabulary. NaN is null. */
export interface FeatureSample {
  readonly column: string;
  readonly kind: "number" | "text";
  readonly values: Float64Array;
}

export interface RowSample {
  readonly labels: Uint8Array;
  readonly features: readonly FeatureSample[];
}

export interface RowSampler {
  readonly add: (batch: ColumnBatch) => void;
  readonly finish: () => RowSample;
}

/** Words of each text column, numbered as they appear; shared by the samples that are to be compared. */
export type Vocabulary = Map<string, Map<string, number>>;

const MOST_ROWS = 200_000;

/**
 * Keeps up to `mostRows` labelled rows, chosen by a hash of the row's number: repeatable, and blind to what stands in the row
 * and to any rhythm in the file. Rows without a 0/1 label are left out; tensor columns are too.
 */
export function createRowSampler(
  columns: readonly string[],
  label: string,
  vocabulary: Vocabulary,
  mostRows: number = MOST_ROWS,
): RowSampler {
  let labels = new Uint8Array(mostRows + 1);
  let ranks = new Uint32Array(mostRows + 1);
  const kinds = new Map<string, FeatureSample["kind"]>();
  const values = new Map(columns.map((column) => [column, new Float64Array(mostRows + 1)] as const));
  let count = 0;
  let bound = 2 ** 32;
  let seenCount = 0;

  const halve = () => {
    bound /= 2;
    const kept: number[] = [];
    for (let row = 0; row < count; row++) if (ranks[row]! < bound) kept.push(row);
    kept.forEach((from, to) => {
      labels[to] = labels[from]!;
      ranks[to] = ranks[from]!;
      for (const column of values.values()) column[to] = column[from]!;
    });
    count = kept.length;
  };

  return {
    add(batch) {
      const label_ = batch.columns.get(label);
      if (label_?.kind !== "number") return;
      const readers = columns.flatMap((name) => {
        const read = valueReader(batch, name, vocabulary, kinds);
        const target = values.get(name);
        return read === undefined || target === undefined ? [] : [{ read, target }];
      });
      for (let row = 0; row < batch.rowCount; row++) {
        const rank = hashNumber(seenCount++);
        const outcome = label_.values[row]!;
        if (rank >= bound || (outcome !== 0 && outcome !== 1)) continue;
        labels[count] = outcome;
        ranks[count] = rank;
        for (const { read, target } of readers) target[count] = read(row);
        count++;
        if (count > mostRows) halve();
      }
    },
    finish: () => ({
      labels: labels.slice(0, count),
      features: columns.flatMap((column) => {
        const kind = kinds.get(column);
        return kind === undefined ? [] : [{ column, kind, values: values.get(column)!.slice(0, count) }];
      }),
    }),
  };
}

function valueReader(
  batch: ColumnBatch,
  name: string,
  vocabulary: Vocabulary,
  kinds: Map<string, FeatureSample["kind"]>,
) {
  const column = batch.columns.get(name);
  if (column === undefined || column.kind === "tensor") return undefined;
  kinds.set(name, column.kind);
  if (column.kind === "number") return (row: number) => column.values[row]!;
  const words = vocabulary.get(name) ?? new Map<string, number>();
  vocabulary.set(name, words);
  return (row: number) => {
    const code = column.codes[row]!;
    if (code < 0) return NaN;
    const word = column.dictionary[code]!;
    let number = words.get(word);
    if (number === undefined) words.set(word, (number = words.size));
    return number;
  };
}

/** A whole number's bits stirred; the finaliser of MurmurHash3. */
function hashNumber(value: number): number {
  let mixed = value ^ 0x9e3779b9;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
