/**
 * Relative entropy KL(empirical, true) in nats that the shares of `cellCount` cells, counted in `sampleCount` independent draws,
 * exceed with probability at most `alpha`.
 *
 * Holds at every sample size and for every distribution over the cells, empty cells included. 0 for a single cell.
 * Source: Agrawal, "Finite-sample concentration of the multinomial in relative entropy" (IEEE Transactions on Information Theory
 * 66, 2020), theorem 1.2: P(KL >= e) <= exp(-ne) (e·n·e / (k - 1))^(k - 1) for ne > k - 1, solved for e. Checked by simulation.
 *
 * @throws RangeError when there is no sample, no cell, or `alpha` is not in (0, 1)
 */
export function multinomialDivergenceBound(sampleCount: number, cellCount: number, alpha: number): number {
  if (!(sampleCount > 0 && cellCount > 0)) throw new RangeError(`${sampleCount} samples in ${cellCount} cells`);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha ${alpha} is not in (0, 1)`);
  const freedom = cellCount - 1;
  if (freedom === 0) return 0;
  const target = Math.log(1 / alpha);
  // x - f - f ln(x / f) is 0 at f, convex and rises to infinity: Newton from the right never crosses the root.
  let x = freedom + target + 2 * Math.sqrt(freedom * target) + 1;
  for (let round = 0; round < 50; round++) {
    const excess = x - freedom - freedom * Math.log(x / freedom) - target;
    const next = x - excess / (1 - freedom / x);
    if (!(next < x)) break;
    x = next;
  }
  return x / sampleCount;
}
