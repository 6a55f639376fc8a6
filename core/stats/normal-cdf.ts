import { erfc } from "./erfc.ts";

/**
 * Probability that a standard normal variable is at most `z`, in [0, 1].
 *
 * Accurate in relative terms in both tails (`normalCdf(-37)` is 5.7e-300, not 0). NaN gives NaN. Checked against SciPy's
 * `norm.cdf`.
 */
export function normalCdf(z: number): number {
  return erfc(-z * Math.SQRT1_2) / 2;
}
