/** Rounding, half precision and bfloat16 as ONNX Runtime and NumPy do them. */

/** Largest number of half precision, and its smallest with all 11 bits. */
export const LARGEST_HALF = 65_504;
export const SMALLEST_NORMAL_HALF = 2 ** -14;

const ROUNDED_BY_ADDING = 2 ** 51;

/** Rounds to the nearest integer, halves to the even one; `Math.round` takes halves up. NaN and infinities pass through. */
export function roundHalfToEven(value: number): number {
  // Beside 1.5 * 2^52 float64 has no room for a fraction: the addition itself rounds, half to even, in a quarter of the time.
  if (value > -ROUNDED_BY_ADDING && value < ROUNDED_BY_ADDING) return value + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
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

/** The numbers rounded to half precision. A loop: `Uint16Array.from` asks an iterator for each of millions of numbers. */
export function halvesOf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let at = 0; at < values.length; at++) halves[at] = numberToHalf(values[at]!);
  return halves;
}

/** bfloat16, given as its 16 bits, to a number: a float32 without its last 16 bits. Exact. */
export function bfloat16ToNumber(bits: number): number {
  floatBits[0] = bits << 16;
  return float[0]!;
}

/** A float32 number to bfloat16, given as its 16 bits: rounded half to even, infinite beyond the largest, NaN stays NaN. */
export function numberToBfloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  float[0] = value;
  const bits = floatBits[0]!;
  // Just under half a step, and a whole half where the last bit kept is odd; a carry out of the fraction is the next exponent.
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** A float32 number to IEEE 754 binary16, given as its 16 bits: rounded half to even, infinite from 65 520 on, NaN stays NaN. */
export function numberToHalf(value: number): number {
  float[0] = value;
  const bits = floatBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 numbers are subnormal, in one fixed step.
  if (magnitude < 0x38800000) return sign | roundHalfToEven(Math.abs(float[0]) * 2 ** 24);
  // Of the 23 bits of fraction 13 go: just under half a step is added, and a whole half where the last bit kept is odd. A carry out of the
  // fraction is the next exponent.
  return sign | ((magnitude - 0x38000000 + 0x0fff + ((magnitude >>> 13) & 1)) >>> 13);
}
