import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from "../../../core/onnx/half.ts";

describe("half precision", () => {
  it("comes back exactly for each of its 65 536 numbers but the many NaN", () => {
    const lost = Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) => {
      const value = halfToNumber(bits);
      return numberToHalf(value) !== (Number.isNaN(value) ? 0x7e00 : bits);
    });
    expect(lost).toEqual([]);
  });

  it("rounds to the nearest, halves to the even one, with the carries into the exponent", () => {
    const cases: [number, number][] = [
      [1 + 2 ** -11, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [2 - 2 ** -11, 2],
      [2 ** -14 - 2 ** -26, 2 ** -14],
      [2 ** -25, 0],
      [2 ** -25 * 1.001, 2 ** -24],
      [65_519, 65_504],
      [65_520, Infinity],
      [-1e9, -Infinity],
    ];
    for (const [value, rounded] of cases) expect(halfToNumber(numberToHalf(value))).toBe(rounded);
    expect(numberToHalf(-0)).toBe(0x8000);
  });

  it("is never further off than half a step", () => {
    fc.assert(
      fc.property(fc.float({ min: -65_504, max: 65_504, noNaN: true }), (value) => {
        const step = Math.max(2 ** (Math.floor(Math.log2(Math.abs(value) || 1)) - 10), 2 ** -24);
        expect(Math.abs(halfToNumber(numberToHalf(value)) - value)).toBeLessThanOrEqual(step / 2);
      }),
    );
  });
});

describe("bfloat16", () => {
  it("comes back exactly for each of its 65 536 numbers but the many NaN", () => {
    const lost = Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) => {
      const value = bfloat16ToNumber(bits);
      return numberToBfloat16(value) !== (Number.isNaN(value) ? 0x7fc0 : bits);
    });
    expect(lost).toEqual([]);
  });

  it("is never further off than half a step, and keeps its sign", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 127), max: 2 ** 127 }), (value) => {
        const step = Math.max(2 ** (Math.floor(Math.log2(Math.abs(value) || 1)) - 7), 2 ** -133);
        const found = bfloat16ToNumber(numberToBfloat16(value));
        expect(Math.abs(found - value)).toBeLessThanOrEqual(step / 2);
        expect(Object.is(Math.sign(found), Math.sign(value)) || found === 0).toBe(true);
      }),
    );
  });
});
