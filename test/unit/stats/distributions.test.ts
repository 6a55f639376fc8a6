import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { criticalT } from "../../../core/stats/critical-t.ts";
import { dkwHalfWidth } from "../../../core/stats/dkw-half-width.ts";
import { midranks } from "../../../core/stats/midranks.ts";
import { normalCdf } from "../../../core/stats/normal-cdf.ts";
import { normalQuantile } from "../../../core/stats/normal-quantile.ts";
import { quantileSorted } from "../../../core/stats/quantile-sorted.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { wilsonInterval } from "../../../core/stats/wilson-interval.ts";

interface Fixture {
  readonly normalCdf: readonly [number, number][];
  readonly normalQuantile: readonly [number, number][];
  readonly criticalT: readonly [number, number, number][];
  readonly wilson: readonly [number, number, number, number, number][];
  readonly midranks: readonly { values: number[]; ranks: number[] }[];
  readonly quantiles: { sorted: number[]; at: [number, number][] };
  readonly uniforms: readonly { seed: number; values: number[] }[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../../fixtures/stats/distributions.json", import.meta.url), "utf8"),
) as Fixture;

const relativeError = (found: number, expected: number) =>
  Math.abs(found - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);

describe("normal distribution", () => {
  it.each(fixture.normalCdf)("has SciPy's probability below %d, also far in the tail", (z, expected) => {
    expect(relativeError(normalCdf(z), expected)).toBeLessThan(1e-12);
  });
  it.each(fixture.normalQuantile)("has SciPy's quantile of %d", (probability, expected) => {
    expect(Math.abs(normalQuantile(probability) - expected)).toBeLessThan(1e-12 * Math.max(1, Math.abs(expected)));
  });
  it("gives back the z its probability came from", () => {
    fc.assert(
      fc.property(fc.double({ min: -37, max: 5, noNaN: true }), (z) => {
        expect(normalQuantile(normalCdf(z))).toBeCloseTo(z, 8);
      }),
    );
  });
  it("refuses a probability that is none", () => {
    expect(() => normalQuantile(1.5)).toThrow(RangeError);
    expect(() => normalQuantile(Number.NaN)).toThrow(RangeError);
    expect(normalQuantile(0)).toBe(-Infinity);
  });
});

describe("criticalT", () => {
  it.each(fixture.criticalT)(
    "equals SciPy's at %d with %d degrees of freedom to four digits",
    (confidence, n, expected) => {
      expect(relativeError(criticalT(confidence, n), expected)).toBeLessThan(n < 5 ? 1e-4 : 2e-6);
    },
  );
});

describe("wilsonInterval", () => {
  it.each(fixture.wilson)("equals SciPy's for %d of %d at %d", (successes, trials, confidence, low, high) => {
    const interval = wilsonInterval(successes, trials, confidence);
    expect(interval[0]).toBeCloseTo(low, 12);
    expect(interval[1]).toBeCloseTo(high, 12);
  });
  it("holds the share itself and stays within 0 and 1", () => {
    const counts = fc.integer({ min: 1, max: 100_000 }).chain((n) => fc.tuple(fc.nat({ max: n }), fc.constant(n)));
    fc.assert(
      fc.property(counts, fc.double({ min: 0.5, max: 0.9999, noNaN: true }), ([successes, trials], confidence) => {
        const [low, high] = wilsonInterval(successes, trials, confidence);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(successes / trials);
        expect(high).toBeGreaterThanOrEqual(successes / trials);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });
  it("refuses a share of nothing", () => {
    expect(() => wilsonInterval(0, 0, 0.95)).toThrow(RangeError);
  });
});

describe("order statistics", () => {
  it("ranks with ties as SciPy does", () => {
    for (const { values, ranks } of fixture.midranks) expect(Array.from(midranks(values))).toEqual(ranks);
  });
  it("interpolates quantiles as NumPy does", () => {
    for (const [share, expected] of fixture.quantiles.at) {
      expect(quantileSorted(fixture.quantiles.sorted, share)).toBeCloseTo(expected, 12);
    }
    expect(() => quantileSorted([], 0.5)).toThrow(RangeError);
  });
  it("bounds a distribution function with the width of Massart's inequality", () => {
    expect(dkwHalfWidth(100, 0.05)).toBeCloseTo(0.1358, 4);
    const random = createRandom(3);
    let escaped = 0;
    for (let round = 0; round < 400; round++) {
      const sample = Float64Array.from({ length: 50 }, () => random.uniform()).sort();
      const distance = Math.max(...sample.map((x, index) => Math.max((index + 1) / 50 - x, x - index / 50)));
      if (distance > dkwHalfWidth(50, 0.1)) escaped++;
    }
    // At most 10 % in truth; 400 rounds put chance at 14.5 % beyond three standard errors.
    expect(escaped / 400).toBeLessThan(0.145);
  });
});

describe("createRandom", () => {
  it("gives the numbers of an independent version of the generator", () => {
    for (const { seed, values } of fixture.uniforms) {
      const random = createRandom(seed);
      expect(values.map(() => random.uniform())).toEqual(values);
    }
  });
  it("draws normals and counts with the right mean and spread", () => {
    const random = createRandom(11);
    const moments = (draw: () => number, count = 40_000) => {
      const values = Float64Array.from({ length: count }, draw);
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1) };
    };
    const normal = moments(() => random.normal());
    expect(normal.mean).toBeCloseTo(0, 1);
    expect(normal.variance).toBeCloseTo(1, 1);
    for (const mean of [0.3, 5, 63, 64, 900]) {
      const counts = moments(() => random.poisson(mean));
      expect(Math.abs(counts.mean / mean - 1)).toBeLessThan(0.03);
      expect(Math.abs(counts.variance / mean - 1)).toBeLessThan(0.06);
    }
  });
});
