/** Rounding and half precision as ONNX Runtime and NumPy do them. */

/** Rounds to the nearest integer, halves to the even one; `Math.round` takes halves up. NaN and infinities pass through. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  // NaN compares false with everything and comes here too: NaN % 2 is NaN, and floor + 1 is NaN.
  return floor % 2 === 0 ? floor : floor + 1;
}

/** IEEE 754 binary16, given as its 16 bits, to a number. Exact. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
