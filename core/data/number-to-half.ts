import { roundHalfToEven } from "../onnx/half.ts";

/**
 * A number rounded to IEEE 754 binary16, halves to even, as its 16 bits; too large becomes infinity, NaN stays NaN.
 * Rounds once, from double: rounding to single precision first would round some ties twice.
 */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below 2^-14 numbers are subnormal, in one fixed step of 2^-24. Above, the step is 2^-10 of the power of two.
  if (magnitude < 2 ** -14) return sign | roundHalfToEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  // 1024 steps carry into the next exponent by themselves.
  return sign | (((exponent + 15) << 10) + (roundHalfToEven(magnitude / 2 ** (exponent - 10)) - 1024));
}
