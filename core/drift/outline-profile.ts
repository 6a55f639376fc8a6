import type { ColumnBatch } from "../../contracts/data.ts";
import type { BaselineColumn } from "../../contracts/drift.ts";
import type { Random } from "../stats/random.ts";
import { quantileEdges } from "./quantile-edges.ts";
import { createReservoir } from "./reservoir.ts";
import { type WatchedColumn, watchedValues } from "./watched-columns.ts";

export interface OutlineOptions {
  readonly where: string;
  /** Chooses the sample once there are more than `sampleRows` rows. */
  readonly random: Random;
  readonly maximumBins?: number;
  readonly maximumValues?: number;
  readonly sampleRows?: number;
}

export interface Outline {
  readonly observe: (batch: ColumnBatch) => void;
  /** The columns with their edges or values frozen and every count 0. */
  readonly freeze: () => BaselineColumn[];
}

/** Distinct words held in memory while looking for the most frequent ones; a column of ids stops growing here. */
const MOST_DISTINCT = 100_000;

/**
 * First pass over the reference: decides the bins. Numbers: at most `maximumBins` (64) of equal mass from a sample of `sampleRows`
 * (262 144, exact below it). Categories: the `maximumValues` (1000) most frequent words, ties in code point order; every other word
 * counts as "other". The second pass, `createCounter`, counts all rows exactly.
 */
export function createOutline(watched: readonly WatchedColumn[], options: OutlineOptions): Outline {
  const { where, random, maximumBins = 64, maximumValues = 1000, sampleRows = 262_144 } = options;
  const columns = watched.map((one) => ({
    ...one,
    reservoir: createReservoir(sampleRows, random),
    words: new Map<string, number>(),
  }));
  return {
    observe: (batch) => {
      for (const one of columns) {
        const values = watchedValues(batch, one, where);
        if (one.kind === "category") countWords(values, one.words);
        else if (values.kind === "number") one.reservoir.add(values.values);
      }
    },
    freeze: () =>
      columns.map(({ column, kind, reservoir, words }): BaselineColumn => {
        if (kind === "number") {
          const edges = quantileEdges(reservoir.sorted(), maximumBins);
          return { kind, column, edges, counts: zeros(edges.length + 1), nullCount: 0 };
        }
        const values = [...words]
          .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
          .slice(0, maximumValues)
          .map(([word]) => word);
        return { kind, column, values, counts: zeros(values.length + 1), nullCount: 0 };
      }),
  };
}

function countWords(values: ReturnType<typeof watchedValues>, words: Map<string, number>): void {
  const add = (word: string, count: number) => {
    const before = words.get(word);
    if (before !== undefined) words.set(word, before + count);
    else if (words.size < MOST_DISTINCT) words.set(word, count);
  };
  if (values.kind === "text") {
    const counts = new Float64Array(values.dictionary.length);
    for (const code of values.codes) if (code >= 0) counts[code]! += 1;
    for (const [code, word] of values.dictionary.entries()) if (counts[code]! > 0) add(word, counts[code]!);
    return;
  }
  const counts = new Map<number, number>();
  for (const value of values.values) if (!Number.isNaN(value)) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const [value, count] of counts) add(String(value), count);
}

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0);
}
