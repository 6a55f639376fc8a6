/**
 * Quantile of values in ascending order, interpolated linearly between neighbours (type 7 of Hyndman and Fan, the default of
 * NumPy and R).
 *
 * `share` in [0, 1]: 0 is the smallest value, 1 the largest. The values hold no NaN. Checked against `numpy.quantile`.
 *
 * @throws RangeError when there are no values or `share` is outside [0, 1]
 */
export function quantileSorted(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) throw new RangeError("a quantile of no values");
  if (!(share >= 0 && share <= 1)) throw new RangeError(`share ${share} is not in [0, 1]`);
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}
