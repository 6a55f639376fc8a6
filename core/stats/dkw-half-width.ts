/**
 * Half width of the band that holds the true distribution function everywhere at once with probability at least
 * 1 - `alpha`, around the empirical one of `sampleCount` independent values.
 *
 * Holds at every sample size and for every distribution, ties included. Source: Dvoretzky-Kiefer-Wolfowitz inequality with
 * Massart's constant, Annals of Probability 18 (1990).
 *
 * @throws RangeError when there is no sample or `alpha` is not in (0, 1)
 */
export function dkwHalfWidth(sampleCount: number, alpha: number): number {
  if (!(sampleCount > 0)) throw new RangeError(`${sampleCount} samples`);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha ${alpha} is not in (0, 1)`);
  return Math.sqrt(Math.log(2 / alpha) / (2 * sampleCount));
}
