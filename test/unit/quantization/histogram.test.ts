import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { entropyRange } from "../../../core/quantization/entropy.ts";
import { createHistogram } from "../../../core/quantization/histogram.ts";
import { normals } from "./random-weights.ts";

const rangeOf = (values: ArrayLike<number>) => ({
  low: Math.min(...Array.from(values)),
  high: Math.max(...Array.from(values)),
});

const cases = JSON.parse(readFileSync(new URL("../../fixtures/onnx/entropy.json", import.meta.url), "utf8")) as {
  readonly name: string;
  readonly limit: number;
  readonly counts: number[];
  readonly low: number;
  readonly high: number;
}[];

describe("the range of least entropy", () => {
  it("is never empty, or wider than what was seen", () => {
    const samples = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(samples, (values) => {
        const whole = rangeOf(values);
        const histogram = createHistogram(whole);
        histogram.add(values);
        const { low, high } = histogram.leastEntropy();
        expect([low >= whole.low, high <= whole.high, low <= high]).toEqual([true, true, true]);
      }),
      { numRuns: 15 },
    );
  });

  it.each(cases.map((one) => [one.name, one] as const))(
    "is the one ONNX Runtime's search finds in the same histogram: %s",
    (_, { limit, counts, low, high }) => {
      const found = entropyRange(Float64Array.from(counts), limit);
      // Its edges are float32.
      expect(found.low).toBeCloseTo(low, 4);
      expect(found.high).toBeCloseTo(high, 4);
    },
  );

  it("cuts outliers off that min-max keeps, whatever order the values come in", () => {
    const values = normals(3, 30_000);
    values[7] = 60;
    values[8] = -45;
    const whole = rangeOf(values);
    const [one, other] = [createHistogram(whole), createHistogram(whole)];
    one.add(values);
    for (let at = values.length; at > 0; at -= 1000) other.add(values.subarray(at - 1000, at));
    const { low, high } = one.leastEntropy();
    expect(other.leastEntropy()).toEqual({ low, high });
    expect(high).toBeLessThan(30);
    expect(low).toBeGreaterThan(-30);
    expect(high).toBeGreaterThan(2);
  });

  it("stays within what was seen, also for one value and for none", () => {
    const flat = createHistogram({ low: 2, high: 2 });
    expect(flat.leastEntropy()).toEqual({ low: 2, high: 2 });
    flat.add([2, 2]);
    expect(flat.leastEntropy()).toEqual({ low: 2, high: 2 });
    const zero = createHistogram({ low: 0, high: 0 });
    zero.add([0]);
    expect(zero.leastEntropy()).toEqual({ low: 0, high: 0 });
  });
});

describe("the histogram of an activation", () => {
  it("cuts an outlier off and keeps what the percentile asks for, counted value by value", () => {
    const values = normals(3, 20_000);
    values[7] = 400;
    const histogram = createHistogram(rangeOf(values));
    histogram.add(values.subarray(0, 5000));
    histogram.add(values.subarray(5000));
    for (const percentile of [99, 99.9, 99.99]) {
      const { low, high } = histogram.range(percentile);
      const cut = (20_000 * (100 - percentile)) / 200;
      expect(values.filter((value) => value < low).length).toBeLessThanOrEqual(cut);
      expect(values.filter((value) => value > high).length).toBeLessThanOrEqual(cut);
      expect(high).toBeLessThan(10);
    }
    expect(histogram.range(99).high).toBeLessThan(histogram.range(99.9).high + 1e-9);
  });

  it("gives the whole range back for 100, for no values and for equal ones", () => {
    const values = normals(4, 500);
    const whole = rangeOf(values);
    const histogram = createHistogram(whole);
    expect(histogram.range(99)).toMatchObject({ low: expect.any(Number) as number });
    histogram.add(values);
    expect(histogram.range(100)).toEqual(whole);
    const flat = createHistogram({ low: 2, high: 2 });
    flat.add([2, 2, 2]);
    expect(flat.range(99)).toEqual({ low: 2, high: 2 });
  });

  it("never gives a range that is empty, or wider than what was seen", () => {
    const samples = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(samples, fc.double({ min: 50.1, max: 100, noNaN: true }), (values, percentile) => {
        const whole = rangeOf(values);
        const histogram = createHistogram(whole);
        histogram.add(values);
        const { low, high } = histogram.range(percentile);
        expect(low).toBeGreaterThanOrEqual(whole.low);
        expect(high).toBeLessThanOrEqual(whole.high);
        expect(low).toBeLessThanOrEqual(high);
      }),
    );
  });
});
