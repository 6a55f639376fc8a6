import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreementSchema } from "../../../contracts/optimization.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";

const measure = (reference: number[], candidate: number[], threshold = 0.5) =>
  measureAgreement({ where: "model", reference, candidate, threshold });

describe("measureAgreement", () => {
  it("gives differences, signal to noise and the share of equal decisions", () => {
    const found = measure([0.6, 0.8, 0.5, 0.1], [0.6, 0.7, 0.4, 0.1]);
    expect(found.rowCount).toBe(4);
    expect(found.maximumDifference).toBeCloseTo(0.1, 12);
    expect(found.meanDifference).toBeCloseTo(0.05, 12);
    // |x|^2 = 0.36 + 0.64 + 0.25 + 0.01 = 1.26 and |x - y|^2 = 0.02.
    expect(found.signalToNoiseDb).toBeCloseTo(10 * Math.log10(63), 9);
    expect(found.sameDecisionShare).toBe(0.75);
  });

  it("says null for the ratio of equal outputs, and decides positive at the threshold itself", () => {
    expect(measure([0.5], [0.5])).toEqual({
      rowCount: 1,
      maximumDifference: 0,
      meanDifference: 0,
      signalToNoiseDb: null,
      sameDecisionShare: 1,
    });
    expect(measure([0.5, 0.5], [0.5, 0.4999]).sameDecisionShare).toBe(0.5);
  });

  it("stays a number for a reference of zeros", () => {
    expect(measure([0, 0], [0.1, 0]).signalToNoiseDb).toBe(-400);
  });

  it("refuses no rows and outputs that are no numbers, and takes unequal lengths for a bug", () => {
    expect(() => measure([], [])).toThrow("model: no rows");
    expect(() => measure([0.1, 0.2], [0.1, NaN])).toThrow("row 1 gives 0.2 and NaN");
    expect(() => measure([Infinity], [0.1])).toThrow("row 0 gives Infinity");
    expect(() => measure([0.1], [])).toThrow(RangeError);
  });

  it("is symmetric in differences and decisions, and always fits the contract", () => {
    const outputs = fc.array(fc.tuple(fc.double({ min: 0, max: 1 }), fc.double({ min: 0, max: 1 })), { minLength: 1 });
    fc.assert(
      fc.property(
        outputs.filter((rows) => rows.flat().every(Number.isFinite)),
        (rows) => {
          const [left, right] = [rows.map(([x]) => x), rows.map(([, y]) => y)];
          const { signalToNoiseDb: _, ...forward } = agreementSchema.parse(measure(left, right));
          const { signalToNoiseDb: __, ...backward } = agreementSchema.parse(measure(right, left));
          expect(forward).toEqual(backward);
        },
      ),
    );
  });
});
