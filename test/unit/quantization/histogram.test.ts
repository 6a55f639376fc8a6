import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHistogram } from "../../../core/quantization/histogram.ts";
import { normals } from "./random-weights.ts";

const rangeOf = (values: ArrayLike<number>) => ({
  low: Math.min(...Array.from(values)),
  high: Math.max(...Array.from(values)),
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
