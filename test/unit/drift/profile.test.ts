import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  baselineColumnSchema,
  baselineProfileSchema,
  type BaselineColumn,
  SCORE_COLUMN,
} from "../../../contracts/drift.ts";
import { isFailure } from "../../../contracts/failures.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { createOutline } from "../../../core/drift/outline-profile.ts";
import { quantileEdges } from "../../../core/drift/quantile-edges.ts";
import { createScoreOutline } from "../../../core/drift/score-outline.ts";
import { watchedColumns } from "../../../core/drift/watched-columns.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { batch, countInto, numbers, profileOf, text, watchedWorld, world } from "./columns.ts";

const failsWith = (code: string) => expect.toSatisfy((thrown) => isFailure(thrown) && thrown.code === code);
const total = (column: BaselineColumn) => column.counts.reduce((sum, count) => sum + count, 0);

describe("quantile edges", () => {
  it("cut distinct values into bins of equal mass", () => {
    const sorted = Float64Array.from({ length: 6400 }, (_, index) => index);
    const [column] = countInto(
      [
        {
          kind: "number",
          column: "x",
          edges: quantileEdges(sorted, 64),
          counts: Array.from({ length: 64 }, () => 0),
          nullCount: 0,
        },
      ],
      [batch({ x: numbers([...sorted]) })],
    ).columns;
    expect(column?.counts).toEqual(Array.from({ length: 64 }, () => 100));
  });

  it("give every heavy value a bin of its own", () => {
    const edges = quantileEdges(
      Float64Array.from([
        ...Array.from({ length: 500 }, () => 0),
        ...Array.from({ length: 500 }, (_, index) => 1 + index),
      ]),
      64,
    );
    expect(edges.slice(0, 2)).toEqual([-Number.MIN_VALUE, 0]);
    expect(quantileEdges(Float64Array.from([1, 1, 1, 1, 2, 2, 2, 2]), 8)).toEqual([1 - Number.EPSILON / 2, 1, 1.5, 2]);
  });

  it("see a constant column change in either direction", () => {
    const edges = quantileEdges(Float64Array.from([5, 5, 5, 5]), 64);
    const frozen: BaselineColumn = { kind: "number", column: "x", edges, counts: [0, 0, 0], nullCount: 0 };
    expect(countInto([frozen], [batch({ x: numbers([4.999, 5, 5.001]) })]).columns[0]?.counts).toEqual([1, 1, 1]);
  });

  it("are finite even for the smallest double, below which there is none", () => {
    expect(quantileEdges(Float64Array.of(-Number.MAX_VALUE), 3)).toEqual([-Number.MAX_VALUE]);
  });

  it("rise strictly and are fewer than the bins, for any values", () => {
    const values = fc.array(
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -3, max: 3 })),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 64 }), (some, bins) => {
        const edges = quantileEdges(Float64Array.from(some).sort(), bins);
        expect(edges.length).toBeGreaterThan(0);
        expect(edges.length).toBeLessThan(bins);
        expect(edges.every((edge, index) => Number.isFinite(edge) && (index === 0 || edge > edges[index - 1]!))).toBe(
          true,
        );
      }),
    );
  });
});

describe("a baseline profile", () => {
  it("counts every row once: bins, nulls, infinities in the end bins, other words", () => {
    const profile = profileOf(
      [
        { column: "x", kind: "number" },
        { column: "word", kind: "category" },
      ],
      [batch({ x: numbers([1, 2, 3, Number.NaN, 4]), word: text(["a", "b", "a", null, "a"]) })],
    );
    expect(baselineProfileSchema.parse(profile)).toEqual(profile);
    expect(profile.columns.map(({ nullCount }) => nullCount)).toEqual([1, 1]);
    expect(profile.columns[1]).toMatchObject({ values: ["a", "b"], counts: [3, 1, 0] });
    const window = countInto(profile.columns, [
      batch({ x: numbers([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e9]), word: text(["c", "a", null]) }),
    ]);
    expect(window.columns[0]?.counts.at(-1)).toBe(2);
    expect(window.columns[0]?.counts[0]).toBe(1);
    expect(window.columns[1]).toMatchObject({ counts: [1, 0, 1], nullCount: 1 });
  });

  it("does not depend on the order of the rows or how they are cut into batches", () => {
    const whole = world(createRandom(3), 2000);
    const rows = Array.from({ length: 2000 }, (_, index) => (index * 7919) % 2000);
    const pick = (some: readonly number[]) =>
      batch(
        Object.fromEntries(
          [...whole.columns].map(([name, column]) => {
            if (column.kind === "text")
              return [name, text(some.map((row) => column.dictionary[column.codes[row]!] ?? null))];
            return [name, numbers(some.map((row) => column.values[row]!))];
          }),
        ),
      );
    const cut = [pick(rows.slice(0, 300)), pick([]), pick(rows.slice(300))];
    expect(profileOf(watchedWorld, cut)).toEqual(profileOf(watchedWorld, [whole]));
  });

  it("keeps the most frequent words up to its limit and counts the rest as other", () => {
    const outline = createOutline([{ column: "word", kind: "category" }], {
      where: "here",
      random: createRandom(1),
      maximumValues: 2,
    });
    const rows = batch({ word: text(["b", "c", "a", "c", "b", "a", "c", "d"]) });
    outline.observe(rows);
    expect(countInto(outline.freeze(), [rows]).columns[0]).toMatchObject({ values: ["c", "a"], counts: [3, 2, 3] });
  });

  it("takes edges from a bounded sample of a long stream, and counts all of it", () => {
    const random = createRandom(5);
    const batches = Array.from({ length: 20 }, () =>
      batch({ x: numbers(Array.from({ length: 5000 }, () => random.normal())) }),
    );
    const outline = createOutline([{ column: "x", kind: "number" }], { where: "here", random, sampleRows: 5000 });
    for (const one of batches) outline.observe(one);
    const [column] = countInto(outline.freeze(), batches).columns;
    expect(column?.counts.length).toBe(64);
    expect(total(column!)).toBe(100_000);
    // Each bin holds about 1/64 of all rows: within six deviations of what a sample of 5000 leaves open.
    for (const count of column!.counts)
      expect(Math.abs(count / 100_000 - 1 / 64)).toBeLessThan(6 * Math.sqrt(1 / 64 / 5000));
  });

  it("holds a column of nulls only, and an empty file", () => {
    const nothing = profileOf([{ column: "x", kind: "number" }], [batch({ x: numbers([Number.NaN, Number.NaN]) })]);
    expect(nothing.columns[0]).toEqual({ kind: "number", column: "x", edges: [0], counts: [0, 0], nullCount: 2 });
    expect(profileOf([{ column: "w", kind: "category" }], []).columns[0]).toEqual({
      kind: "category",
      column: "w",
      values: [],
      counts: [0],
      nullCount: 0,
    });
  });

  it("reads a category that comes as numbers as the feature mapping does", () => {
    const profile = profileOf(
      [{ column: "weekday", kind: "category" }],
      [batch({ weekday: numbers([1, 2, 2, Number.NaN]) })],
    );
    expect(profile.columns[0]).toMatchObject({ values: ["2", "1"], counts: [2, 1, 0], nullCount: 1 });
    expect(countInto(profile.columns, [batch({ weekday: text(["1", "9"]) })]).columns[0]?.counts).toEqual([0, 1, 1]);
  });

  it("refuses a window that lacks a column or has it as another type", () => {
    const { columns } = profileOf(watchedWorld, [world(createRandom(1), 50)]);
    expect(() => countInto(columns, [batch({ fare: numbers([1]) })])).toThrow(failsWith("COLUMN_MISSING"));
    expect(() =>
      countInto(columns, [batch({ fare: text(["1"]), weekday: numbers([1]), airport: text(["A"]) })]),
    ).toThrow(failsWith("COLUMN_TYPE"));
  });
});

describe("watched columns", () => {
  const signature = modelSignatureSchema.parse({
    inputs: [
      { name: "n", datatype: "FP32", shape: [-1, 1], features: [{ kind: "number", column: "fare" }] },
      {
        name: "d",
        datatype: "INT64",
        shape: [-1],
        features: [{ kind: "category", column: "weekday", vocabulary: ["1"] }],
      },
      { name: "t", datatype: "FP32", shape: [-1, 3], features: [{ kind: "tensor", column: "pixels" }] },
    ],
    outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
    label: "late",
    prediction: { kind: "binary", output: "p" },
  });
  const described = [
    { name: "fare", type: "number" },
    { name: "weekday", type: "number" },
    { name: "pixels", type: "tensor" },
    { name: "airport", type: "text" },
    { name: "date", type: "timestamp" },
    { name: "late", type: "boolean" },
  ] as const;
  const of = (options: { signature?: null; named?: string[] }) =>
    watchedColumns({ signature, described, named: null, where: "here", ...options }).map(
      ({ column, kind }) => `${column}: ${kind}`,
    );

  it("are the features as the model takes them; tensors, time and the label are not", () => {
    expect(of({})).toEqual(["fare: number", "weekday: category"]);
  });

  it("are all columns but time and tensors without a signature, or those that are named", () => {
    expect(of({ signature: null })).toEqual(["fare: number", "weekday: number", "airport: category", "late: number"]);
    expect(of({ named: ["airport", "weekday", "date"] })).toEqual([
      "airport: category",
      "weekday: category",
      "date: number",
    ]);
    expect(() => of({ named: ["gone"] })).toThrow(failsWith("COLUMN_MISSING"));
    expect(() => of({ named: ["pixels"] })).toThrow(failsWith("COLUMN_TYPE"));
  });
});

describe("the score as a profile column", () => {
  it("gets the counts that counting the same scores into it again gives, in bins of about equal mass", () => {
    const random = createRandom(23);
    // Most scores tiny, a heavy value, both ends, some refused rows.
    const scores = Array.from({ length: 20_000 }, (_, row) => {
      if (row % 50 === 0) return [0, 1, -0, Number.NaN][(row / 50) % 4]!;
      return row % 5 === 0 ? 0.25 : Math.fround(random.uniform() ** 6);
    });
    const outline = createScoreOutline();
    for (let at = 0; at < scores.length; at += 3000) outline.add(Float64Array.from(scores.slice(at, at + 3000)));
    const column = outline.freeze();
    expect(baselineColumnSchema.parse(column)).toEqual(column);
    const again = countInto([column], [batch({ [SCORE_COLUMN]: numbers(scores) })]);
    expect(again.columns).toEqual([column]);
    expect(column.nullCount).toBe(100);
    expect(column.counts.length).toBeLessThanOrEqual(64);
    expect(column.counts.filter((count) => count > 2 * (19_900 / 64)).length).toBe(1);
  });

  it("holds a model that refuses every row", () => {
    const outline = createScoreOutline();
    outline.add(Float64Array.of(Number.NaN));
    expect(outline.freeze()).toMatchObject({ edges: [0], counts: [0, 0], nullCount: 1 });
  });
});
