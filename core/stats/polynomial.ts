/** Value at `x` of the polynomial with these coefficients, in ascending order of power; no coefficients give 0. */
export function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let power = coefficients.length - 1; power >= 0; power--) sum = sum * x + coefficients[power]!;
  return sum;
}
