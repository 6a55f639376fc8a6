import { criticalZ } from "./critical-z.ts";

/**
 * Half width, in estimated standard errors, of a two-sided interval at `confidence` in (0, 1) when the standard error itself
 * comes from `degreesOfFreedom` (at least 1) + 1 values: Student's t, larger than `criticalZ` and tending to it.
 *
 * Relative error below 1e-4 for confidences from 0.5 to 0.99999, far less from 5 degrees on. Source: Hill, algorithm 396,
 * CACM 13 (1970). Checked against SciPy's `t.ppf`.
 */
export function criticalT(confidence: number, degreesOfFreedom: number): number {
  const n = degreesOfFreedom;
  const tails = 1 - confidence;
  if (!(n >= 1)) throw new RangeError(`${n} degrees of freedom`);
  if (n === 1) return 1 / Math.tan((tails * Math.PI) / 2);
  if (n === 2) return Math.sqrt(2 / (tails * (2 - tails)) - 2);
  const a = 1 / (n - 0.5);
  const b = 48 / (a * a);
  let c = (((20700 * a) / b - 98) * a - 16) * a + 96.36;
  const d = ((94.5 / (b + c) - 3) / b + 1) * Math.sqrt((a * Math.PI) / 2) * n;
  let y = (d * tails) ** (2 / n);
  if (y <= 0.05 + a) {
    y =
      ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * ((n + 1) / (n + 2)) +
      1 / y;
    return Math.sqrt(n * y);
  }
  const x = -criticalZ(confidence);
  const square = x * x;
  if (n < 5) c += 0.3 * (n - 4.5) * (x + 0.6);
  c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c;
  y = (((((0.4 * square + 6.3) * square + 36) * square + 94.5) / c - square - 3) / b + 1) * x;
  return Math.sqrt(n * Math.expm1(a * y * y));
}
