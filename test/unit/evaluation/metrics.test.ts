import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Estimate } from "../../../contracts/evaluation.ts";
import { METRICS, type MetricName } from "../../../contracts/names.ts";
import type { DefinedEstimate } from "../../../core/evaluation/estimate.ts";
import { metrics } from "../../../core/evaluation/metrics.ts";
import type { MetricSettings } from "../../../core/evaluation/metric.ts";
import { pairedShareDifference } from "../../../core/evaluation/paired-share.ts";
import { placements, placementVariance } from "../../../core/evaluation/placements.ts";
import { createScoredRows, splitScoredRows } from "../../../core/evaluation/scored-rows.ts";
import { createRandom } from "../../../core/stats/random.ts";

interface Fixture {
  readonly bins: number;
  readonly cases: readonly {
    readonly name: string;
    readonly threshold: number;
    readonly labels: number[];
    readonly challenger: number[];
    readonly champion: number[];
    readonly values: Record<"challenger" | "champion", Record<MetricName, number>>;
    readonly delong: { readonly areas: number[]; readonly covariance: [[number, number], [number, number]] };
    readonly bootstrapStandardErrors: Record<"precision" | "f1", number>;
  }[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../../fixtures/evaluation/metrics.json", import.meta.url), "utf8"),
) as Fixture;

const settings: MetricSettings = { confidence: 0.95, calibrationBins: 15, seed: 1 };
const rowsOf = (scores: readonly number[], labels: readonly number[], threshold = 0.5) =>
  createScoredRows(Float64Array.from(scores), Uint8Array.from(labels), threshold);
const valueOf = (name: MetricName, scores: readonly number[], labels: readonly number[], over = settings) => {
  return defined(metrics[name].measure(rowsOf(scores, labels), over));
};
function defined(value: Estimate): DefinedEstimate {
  if (value.kind === "undefined") throw new Error(value.reason);
  return value;
}

describe.each(fixture.cases)("on the fixture with $name", (given) => {
  const over = { ...settings, calibrationBins: fixture.bins };
  const challenger = rowsOf(given.challenger, given.labels, given.threshold);
  const champion = rowsOf(given.champion, given.labels, given.threshold);

  it.each(METRICS)("%s equals scikit-learn's to 1e-9", (name) => {
    for (const arm of ["challenger", "champion"] as const) {
      const found = defined(metrics[name].measure({ challenger, champion }[arm], over)).estimate;
      expect(Math.abs(found - given.values[arm][name])).toBeLessThan(1e-9);
    }
  });
  it("has DeLong's variance and paired variance as defined over all pairs", () => {
    const [[ofOne, shared], [, ofOther]] = given.delong.covariance;
    const one = placements(challenger);
    const other = placements(champion);
    expect(one.areaUnderCurve).toBeCloseTo(given.delong.areas[0]!, 12);
    expect(placementVariance(one.values, challenger.labels)).toBeCloseTo(ofOne, 12);
    expect(placementVariance(other.values, champion.labels)).toBeCloseTo(ofOther, 12);
    const paired = one.values.map((value, row) => value - other.values[row]!);
    expect(placementVariance(paired, champion.labels)).toBeCloseTo(ofOne + ofOther - 2 * shared, 12);
  });
  it.each(["precision", "f1"] as const)("compares %s with the width a paired bootstrap finds", (name) => {
    const found = metrics[name].compare({ challenger, champion }, over);
    if (found.kind === "undefined") throw new Error(found.reason);
    const standardError = (found.interval[1] - found.interval[0]) / 2 / 1.959964;
    expect(standardError / given.bootstrapStandardErrors[name]).toBeGreaterThan(0.9);
    expect(standardError / given.bootstrapStandardErrors[name]).toBeLessThan(1.15);
  });
});

/** Rows of any size with many ties, both models' scores and labels. */
const anyRows = fc.array(
  fc.record({
    score: fc.integer({ min: 0, max: 12 }),
    other: fc.integer({ min: 0, max: 12 }),
    label: fc.nat({ max: 1 }),
  }),
  { minLength: 1, maxLength: 60 },
);
const columns = (rows: readonly { score: number; other: number; label: number }[]) => {
  const labels = rows.map((row) => row.label);
  const challenger = rowsOf(rows.map((row) => row.score / 12), labels); // prettier-ignore
  return {
    challenger,
    champion: rowsOf(
      rows.map((row) => row.other / 12),
      labels,
    ),
  };
};

describe.each(METRICS)("metric %s", (name) => {
  const metric = metrics[name];
  it("is registered under its own name", () => {
    expect(metric.name).toBe(name);
  });
  it("holds its estimate in an interval within its range, and is finite", () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const pair = columns(rows);
        const value = metric.measure(pair.challenger, settings);
        fc.pre(value.kind === "estimate");
        expect(value.interval[0]).toBeGreaterThanOrEqual(metric.range[0]);
        expect(value.interval[0]).toBeLessThanOrEqual(value.estimate);
        expect(value.interval[1]).toBeGreaterThanOrEqual(value.estimate);
        expect(value.interval[1]).toBeLessThanOrEqual(metric.range[1]);
        const other = metric.measure(pair.champion, settings);
        fc.pre(other.kind === "estimate");
        const difference = metric.compare(pair, settings);
        if (difference.kind === "undefined") throw new Error(difference.reason);
        expect(difference.estimate).toBeCloseTo(value.estimate - other.estimate, 9);
        expect(difference.interval[0]).toBeLessThanOrEqual(difference.estimate);
        expect(difference.interval[1]).toBeGreaterThanOrEqual(difference.estimate);
      }),
    );
  });
  it("does not depend on the order of rows", () => {
    fc.assert(
      fc.property(anyRows, fc.integer(), (rows, seed) => {
        const random = createRandom(Math.abs(seed));
        const keys = rows.map(() => random.uniform());
        const shuffled = rows
          .map((row, index) => ({ row, key: keys[index]! }))
          .sort((one, other) => one.key - other.key);
        const before = columns(rows);
        const after = columns(shuffled.map(({ row }) => row));
        const flat = (value: ReturnType<typeof metric.measure>) =>
          value.kind === "undefined" ? [] : [value.estimate, ...value.interval];
        const expected = flat(metric.measure(before.challenger, settings));
        const found = flat(metric.measure(after.challenger, settings));
        expect(found).toHaveLength(expected.length);
        for (const [index, number] of expected.entries()) expect(found[index]).toBeCloseTo(number, 9);
        if (expected.length === 0 || flat(metric.measure(before.champion, settings)).length === 0) return;
        const comparison = flat(metric.compare(after, settings));
        for (const [index, number] of flat(metric.compare(before, settings)).entries()) {
          expect(comparison[index]).toBeCloseTo(number, 9);
        }
      }),
    );
  });
  it("is undefined with a reason, not 0, on no rows", () => {
    expect(metric.measure(rowsOf([], []), settings)).toMatchObject({ kind: "undefined", sampleCount: 0 });
  });
  it("widens its interval with the confidence asked for", () => {
    const given = fixture.cases[0]!;
    const width = (confidence: number) => {
      const { interval } = valueOf(name, given.challenger, given.labels, { ...settings, confidence });
      return interval[1] - interval[0];
    };
    expect(width(0.99)).toBeGreaterThan(width(0.9));
  });
});

describe("values that do not exist", () => {
  it("are tagged with why: one class, nothing predicted positive, nothing positive", () => {
    expect(metrics["roc-auc"].measure(rowsOf([0.2, 0.3], [1, 1]), settings)).toMatchObject({ kind: "undefined" });
    expect(metrics.precision.measure(rowsOf([0.2, 0.3], [1, 0]), settings)).toMatchObject({
      kind: "undefined",
      reason: "no row is predicted positive at threshold 0.5",
    });
    expect(metrics.recall.measure(rowsOf([0.2, 0.9], [0, 0]), settings)).toMatchObject({ kind: "undefined" });
    expect(metrics.f1.measure(rowsOf([0.2, 0.3], [0, 0]), settings)).toMatchObject({ kind: "undefined" });
  });
  it("are not made up from few perfect rows: the interval stays wide", () => {
    const scores = [0.01, 0.02, 0.03, 0.97, 0.98, 0.99];
    const labels = [0, 0, 0, 1, 1, 1];
    for (const name of ["accuracy", "precision", "recall", "f1", "roc-auc"] as const) {
      const { estimate, interval } = valueOf(name, scores, labels);
      expect(estimate).toBe(1);
      expect(interval[0]).toBeLessThan(0.8);
    }
    expect(valueOf("brier-score", [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]).interval[1]).toBeGreaterThan(0.1);
    expect(valueOf("calibration-error", [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]).interval[1]).toBeGreaterThan(0.1);
  });
});

describe("comparisons on few rows", () => {
  const widthOf = (name: MetricName, scores: readonly number[], labels: readonly number[]) => {
    const rows = rowsOf(scores, labels);
    const { estimate, interval } = defined(metrics[name].compare({ challenger: rows, champion: rows }, settings));
    expect(estimate).toBe(0);
    return interval[1] - interval[0];
  };
  it.each(["accuracy", "precision", "recall", "f1", "roc-auc", "calibration-error"] as const)(
    "%s of two models that agree is not proven equal by ten rows",
    (name) => {
      const scores = [0.1, 0.2, 0.3, 0.6, 0.7, 0.4, 0.45, 0.8, 0.9, 0.95];
      expect(widthOf(name, scores, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])).toBeGreaterThan(0.2);
    },
  );
  it("shares follow Bonett and Price's formula, mirrored when the models change places", () => {
    // By hand: centre (4 - 2) / 52, half width 1.959964 sqrt((6 / 52 - (2 / 52)^2) / 52).
    const better = pairedShareDifference({ gained: 3, lost: 1, rowCount: 50 }, 0.95);
    expect(better.estimate).toBe(0.04);
    expect(better.interval[0]).toBeCloseTo(2 / 52 - 0.0917316, 6);
    expect(better.interval[1]).toBeCloseTo(2 / 52 + 0.0917316, 6);
    const worse = pairedShareDifference({ gained: 1, lost: 3, rowCount: 50 }, 0.95);
    expect(worse.interval[0]).toBeCloseTo(-better.interval[1], 12);
    expect(worse.interval[1]).toBeCloseTo(-better.interval[0], 12);
  });
  it("AUC with a single positive leaves the whole range open", () => {
    expect(widthOf("roc-auc", [0.1, 0.2, 0.3, 0.9], [0, 0, 0, 1])).toBe(2);
  });
});

describe("relabelling", () => {
  it("swapping classes and scores keeps AUC, accuracy, Brier score and log loss", () => {
    fc.assert(
      fc.property(anyRows, (rows) => {
        const scores = rows.map((row) => (row.score + 0.25) / 13);
        const labels = rows.map((row) => row.label);
        const mirrored = rowsOf(scores.map((score) => 1 - score), labels.map((label) => 1 - label)); // prettier-ignore
        for (const name of ["roc-auc", "accuracy", "brier-score", "log-loss"] as const) {
          const one = metrics[name].measure(rowsOf(scores, labels), settings);
          const other = metrics[name].measure(mirrored, settings);
          expect(other.kind).toBe(one.kind);
          const estimates = [one, other].map((value) => (value.kind === "estimate" ? value.estimate : 0));
          expect(estimates[0]).toBeCloseTo(estimates[1]!, 10);
        }
      }),
    );
  });
});

describe("splitScoredRows", () => {
  it("gives each slice its own rows, sorted, and drops rows without a code", () => {
    const rows = rowsOf([0.9, 0.1, 0.5, 0.3, 0.7], [1, 0, 1, 0, 1]);
    const [first, second, empty] = splitScoredRows(rows, Int32Array.of(0, 1, 0, 0, -1), 3);
    expect(Array.from(first!.scores)).toEqual([0.9, 0.5, 0.3]);
    expect(Array.from(first!.order)).toEqual([2, 1, 0]);
    expect(first!.positiveCount).toBe(2);
    expect(Array.from(second!.labels)).toEqual([0]);
    expect(empty!.scores).toHaveLength(0);
  });
  it("refuses scores that are no probability and labels that are no class", () => {
    expect(() => rowsOf([1.2], [0])).toThrow(RangeError);
    expect(() => rowsOf([Number.NaN], [0])).toThrow(RangeError);
    expect(() => rowsOf([0.2], [2])).toThrow(RangeError);
    expect(() => rowsOf([0.2, 0.3], [1])).toThrow(RangeError);
  });
});
