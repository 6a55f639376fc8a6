import type { Column, ColumnBatch } from "../../../contracts/data.ts";
import type { BaselineColumn, BaselineProfile } from "../../../contracts/drift.ts";
import { createCounter } from "../../../core/drift/count-columns.ts";
import { createOutline } from "../../../core/drift/outline-profile.ts";
import type { WatchedColumn } from "../../../core/drift/watched-columns.ts";
import { createRandom, type Random } from "../../../core/stats/random.ts";

export const digest = (letter: string) => letter.repeat(64);

export const numbers = (values: readonly number[]): Column => ({ kind: "number", values: Float64Array.from(values) });

export function text(words: readonly (string | null)[]): Column {
  const dictionary = [...new Set(words.filter((word) => word !== null))];
  const codes = new Map(dictionary.map((word, code) => [word, code]));
  return { kind: "text", codes: Int32Array.from(words, (word) => (word === null ? -1 : codes.get(word)!)), dictionary };
}

export function batch(columns: Readonly<Record<string, Column>>): ColumnBatch {
  const first = Object.values(columns)[0];
  const rowCount = first === undefined ? 0 : first.kind === "text" ? first.codes.length : first.values.length;
  return { rowCount, columns: new Map(Object.entries(columns)) };
}

export function profileOf(watched: readonly WatchedColumn[], batches: readonly ColumnBatch[]): BaselineProfile {
  const outline = createOutline(watched, { where: "reference", random: createRandom(1) });
  for (const one of batches) outline.observe(one);
  const { columns, rowCount } = countInto(outline.freeze(), batches);
  return { version: 1, data: digest("a"), rowCount, columns };
}

export function countInto(frozen: readonly BaselineColumn[], batches: readonly ColumnBatch[]) {
  const counter = createCounter(frozen, "window");
  for (const one of batches) counter.add(one);
  return { columns: counter.counts(), rowCount: counter.rowCount() };
}

/** Rows of a small world: a skewed number with nulls, a whole number with few values, a category with a long tail. */
export function world(random: Random, rows: number, change: { shift?: number; nulls?: number; fresh?: number } = {}) {
  const { shift = 0, nulls = 0.02, fresh = 0 } = change;
  const fare: number[] = [];
  const weekday: number[] = [];
  const airport: (string | null)[] = [];
  for (let row = 0; row < rows; row += 1) {
    fare.push(random.uniform() < nulls ? Number.NaN : Math.exp(random.normal() + shift));
    weekday.push(1 + random.integer(7));
    airport.push(random.uniform() < fresh ? "NEW" : `A${Math.floor(60 * random.uniform() ** 3)}`);
  }
  return batch({ fare: numbers(fare), weekday: numbers(weekday), airport: text(airport) });
}

export const watchedWorld: readonly WatchedColumn[] = [
  { column: "fare", kind: "number" },
  { column: "weekday", kind: "number" },
  { column: "airport", kind: "category" },
];
