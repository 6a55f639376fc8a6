import { readFileSync } from "node:fs";
import { array, assert, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Column, ColumnBatch } from "../../../contracts/data.ts";
import { createRowHasher } from "../../../core/data/row-hasher.ts";
import { createRowSampler } from "../../../core/data/row-sampler.ts";
import { createRowSet } from "../../../core/data/row-set.ts";
import { singleFeatureAuc } from "../../../core/data/single-feature-auc.ts";
import { summarizeColumns } from "../../../core/data/summarize-columns.ts";
import { batchOf } from "./batches.ts";

type Values = (number | string | null)[];
const oracle = JSON.parse(readFileSync(new URL("../../fixtures/data/summaries.json", import.meta.url), "utf8")) as {
  training: Record<string, Values>;
  evaluation: Record<string, Values>;
  summary: Record<string, number>;
  auc: Record<string, number>;
};

/** The rows in batches of a size. */
function* cut(columns: Record<string, Values>, size: number): Generator<ColumnBatch> {
  const rowCount = Object.values(columns)[0]?.length ?? 0;
  for (let from = 0; from < rowCount; from += size) {
    yield batchOf(
      Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.slice(from, from + size)])),
    );
  }
}

describe("summarizeColumns", () => {
  it.each([1, 7, 5000])("equals NumPy with batches of %i rows, far from zero and with nulls", (size) => {
    const summaries = summarizeColumns([{ name: "number", type: "number" }]);
    for (const batch of cut({ number: oracle.training["number"] ?? [] }, size)) summaries.add(batch);
    const [summary] = summaries.finish();
    const { mean, deviation, ...exact } = oracle.summary;
    expect(summary).toMatchObject({ ...exact, rowCount: 1500 });
    expect(Math.abs((summary?.mean ?? 0) / (mean ?? 1) - 1)).toBeLessThan(1e-15);
    // The values are 1e9 with a deviation of 3: their own rounding leaves about eight digits.
    expect(Math.abs((summary?.deviation ?? 0) / (deviation ?? 1) - 1)).toBeLessThan(1e-8);
  });

  it("counts infinities as null, and says null where there is no value", () => {
    const summaries = summarizeColumns([
      { name: "a", type: "number" },
      { name: "b", type: "number" },
      { name: "word", type: "text" },
    ]);
    summaries.add(batchOf({ a: [Infinity, 1, -0], b: [null, null, null], word: ["x", null, "x"] }));
    summaries.add(batchOf({ a: [0, 1, 2], b: [null, null, null], word: ["y", "x", "z"] }));
    const [a, b, word] = summaries.finish();
    expect(a).toMatchObject({ nullCount: 1, minimum: 0, maximum: 2, distinctCount: 3 });
    expect(b).toMatchObject({
      nullCount: 6,
      minimum: null,
      maximum: null,
      mean: null,
      deviation: null,
      distinctCount: 0,
    });
    expect(word).toMatchObject({ nullCount: 1, distinctCount: 3, mean: null });
  });

  it("stops counting distinct values at its bound instead of estimating", () => {
    const summaries = summarizeColumns([{ name: "id", type: "number" }]);
    for (let from = 0; from < 70_000; from += 10_000) {
      summaries.add(batchOf({ id: Array.from({ length: 10_000 }, (_, row) => from + row + 0.5) }));
    }
    expect(summaries.finish()[0]?.distinctCount).toBeNull();
  });

  it("counts a tensor's row as null when any of its numbers is", () => {
    const summaries = summarizeColumns([{ name: "t", type: "tensor" }]);
    summaries.add(batchOf({ x: [0, 0], t: { kind: "tensor", values: Float64Array.of(1, NaN, 3, 5), rowShape: [2] } }));
    expect(summaries.finish()[0]).toMatchObject({ rowCount: 2, nullCount: 1, minimum: 1, maximum: 5, mean: 3 });
  });
});

describe("createRowHasher", () => {
  const hashOf = (batch: ColumnBatch, row = 0) => {
    const { high, low } = createRowHasher([...batch.columns.keys()].sort())(batch);
    return `${high[row]}/${low[row]}`;
  };
  it("hashes equal rows equally whatever their place, dictionary and sign of zero", () => {
    const word = (codes: number[], dictionary: string[]): Column => ({
      kind: "text",
      codes: Int32Array.from(codes),
      dictionary,
    });
    const one = batchOf({ a: [1, -0, null], w: word([0, 1, -1], ["x", "y"]) });
    const two = batchOf({ a: [null, 0], w: word([-1, 0], ["y"]) });
    expect(hashOf(one, 1)).toBe(hashOf(two, 1));
    expect(hashOf(one, 2)).toBe(hashOf(two, 0));
    expect(hashOf(one, 0)).not.toBe(hashOf(one, 1));
  });
  it("gives different rows different hashes, all bits in use", () => {
    const rows = 50_000;
    const batch = batchOf({
      a: Array.from({ length: rows }, (_, row) => row % 250),
      b: Array.from({ length: rows }, (_, row) => Math.floor(row / 250) / 8),
    });
    const { high, low } = createRowHasher(["a", "b"])(batch);
    expect(new Set(Array.from(high, (word, row) => (BigInt(word) << 32n) | BigInt(low[row] ?? 0))).size).toBe(rows);
    for (const half of [high, low]) {
      for (let bit = 0; bit < 32; bit++) {
        const ones = half.reduce((count, word) => count + ((word >>> bit) & 1), 0);
        expect(Math.abs(ones / rows - 0.5)).toBeLessThan(0.015);
      }
    }
  });
  it("tells a null from every number and word, and ab|c from a|bc", () => {
    const hashes = [batchOf({ a: [null] }), batchOf({ a: [0] }), batchOf({ a: ["", null] }), batchOf({ a: ["0"] })];
    expect(new Set(hashes.map((batch) => hashOf(batch))).size).toBe(4);
    expect(hashOf(batchOf({ a: ["ab"], b: ["c"] }))).not.toBe(hashOf(batchOf({ a: ["a"], b: ["bc"] })));
  });
});

describe("createRowSet", () => {
  const hash = (values: readonly number[]) => createRowHasher(["a"])(batchOf({ a: values }));
  it("counts rows, different rows and common rows exactly below its bound", () => {
    assert(
      property(array(integer({ min: 0, max: 50 })), array(integer({ min: 0, max: 99 })), (own, asked) => {
        const rows = createRowSet();
        rows.add(hash(own));
        expect(rows.facts()).toEqual({ rowCount: own.length, distinctCount: new Set(own).size, share: 1 });
        const foundCount = asked.filter((value) => own.includes(value)).length;
        expect(rows.count(hash(asked))).toEqual({ askedCount: asked.length, foundCount });
      }),
    );
  });
  it("tells rows apart that share half of their hash", () => {
    const rows = createRowSet();
    rows.add({ high: Uint32Array.of(1, 2, 1), low: Uint32Array.of(9, 9, 8) });
    expect(rows.facts()).toMatchObject({ rowCount: 3, distinctCount: 3 });
    expect(rows.count({ high: Uint32Array.of(2, 2), low: Uint32Array.of(9, 8) })).toMatchObject({ foundCount: 1 });
  });
  it("keeps the shares right when it must forget rows", () => {
    const rows = createRowSet(2000);
    // Each value twice, so half of the rows repeat another; a quarter of the asked ones are known.
    const values = Array.from({ length: 80_000 }, (_, row) => row % 40_000);
    for (let from = 0; from < values.length; from += 5000) rows.add(hash(values.slice(from, from + 5000)));
    const { rowCount, distinctCount, share } = rows.facts();
    expect(share).toBeLessThanOrEqual(1 / 16);
    expect(distinctCount).toBeLessThanOrEqual(2000);
    expect(rowCount).toBe(2 * distinctCount);
    const { askedCount, foundCount } = rows.count(hash(Array.from({ length: 40_000 }, (_, row) => row + 30_000)));
    expect(foundCount / askedCount).toBeGreaterThan(0.21);
    expect(foundCount / askedCount).toBeLessThan(0.29);
  });
});

describe("createRowSampler", () => {
  it("keeps both classes of a file that alternates between them, and rows whole", () => {
    const sampler = createRowSampler(["v"], "late", new Map(), 1000);
    for (let from = 0; from < 20_000; from += 1000) {
      const late = Array.from({ length: 1000 }, (_, row) => row % 2);
      sampler.add(batchOf({ late, v: late.map((value, row) => value + 2 * (from + row)) }));
    }
    const { labels, features } = sampler.finish();
    expect(labels.length).toBeGreaterThan(450);
    expect(labels.length).toBeLessThanOrEqual(1000);
    const positives = labels.reduce((sum, label) => sum + label, 0) / labels.length;
    expect(Math.abs(positives - 0.5)).toBeLessThan(0.1);
    expect(features[0]?.values.map((value) => value % 2)).toEqual(Float64Array.from(labels));
  });
});

describe("singleFeatureAuc", () => {
  const sample = (side: "training" | "evaluation", column: string, vocabulary: Map<string, Map<string, number>>) => {
    const sampler = createRowSampler([column], "label", vocabulary);
    for (const batch of cut(oracle[side], 64)) sampler.add(batch);
    const { labels, features } = sampler.finish();
    if (features[0] === undefined) throw new Error(`no ${column}`);
    return { feature: features[0], labels };
  };
  it.each(Object.keys(oracle.auc))("equals scikit-learn's for %s", (column) => {
    const vocabulary = new Map<string, Map<string, number>>();
    const auc = singleFeatureAuc(sample("training", column, vocabulary), sample("evaluation", column, vocabulary));
    expect(auc).toBeCloseTo(oracle.auc[column] ?? 0, 12);
  });

  const numbers = (values: number[], labels: number[]) => ({
    feature: { kind: "number" as const, values: Float64Array.from(values) },
    labels: Uint8Array.from(labels),
  });
  it("scores 0.5 for words the training never saw, 1 for a leaked label however rare", () => {
    const labels = Array.from({ length: 1000 }, (_, row) => Number(row % 500 === 0));
    const words = {
      feature: { kind: "text" as const, values: Float64Array.from(labels.keys()) },
      labels: Uint8Array.from(labels),
    };
    const others = { ...words, feature: { ...words.feature, values: words.feature.values.map((code) => code + 5000) } };
    expect(singleFeatureAuc(words, others)).toBe(0.5);
    expect(singleFeatureAuc(numbers(labels, labels), numbers(labels, labels))).toBe(1);
    expect(
      singleFeatureAuc(
        numbers(
          labels.map((label) => -label),
          labels,
        ),
        numbers(
          labels.map((label) => -label),
          labels,
        ),
      ),
    ).toBe(1);
  });
  it("follows a falling number between the values it learned", () => {
    const learned = numbers([1, 2, 3, 4], [1, 1, 0, 0]);
    expect(singleFeatureAuc(learned, numbers([1.1, 1.2, 1.3, 1.4], [1, 1, 0, 0]))).toBe(1);
  });
  it("keeps null and the first word apart", () => {
    const labels = Uint8Array.from({ length: 200 }, (_, row) => row % 2);
    const words = {
      feature: { kind: "text" as const, values: Float64Array.from(labels, (label) => (label === 1 ? NaN : 0)) },
      labels,
    };
    expect(singleFeatureAuc(words, words)).toBe(1);
  });
  it("finds a label told by being null", () => {
    const labels = Array.from({ length: 400 }, (_, row) => row % 2);
    const values = labels.map((label, row) => (label === 1 ? NaN : row % 9));
    expect(singleFeatureAuc(numbers(values, labels), numbers(values, labels))).toBe(1);
  });
  it("has no value without both classes", () => {
    expect(singleFeatureAuc(numbers([1, 2], [0, 1]), numbers([1, 2], [0, 0]))).toBeNull();
    expect(singleFeatureAuc(numbers([], []), numbers([1, 2], [0, 1]))).toBeNull();
  });
});
