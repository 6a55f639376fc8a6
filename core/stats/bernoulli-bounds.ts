/**
 * Bounds [low, high] of a probability after `eventCount` events in `trialCount` independent trials; each side fails with
 * probability at most `alpha` / 2.
 *
 * Holds at every sample size and every probability, also far out in the tail where intervals built on the normal law do not: the
 * price is about a tenth of width. Source: Chernoff's bound inverted, trials x KL(share, p) <= ln(2 / alpha) (Hoeffding, JASA 58,
 * 1963). Checked against an independent root finder in SciPy and by exact binomial coverage. No trials give [0, 1].
 *
 * @throws RangeError when `alpha` is not in (0, 1) or there are more events than trials
 */
export function bernoulliBounds(eventCount: number, trialCount: number, alpha: number): [low: number, high: number] {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha ${alpha} is not in (0, 1)`);
  if (!(eventCount >= 0 && eventCount <= trialCount))
    throw new RangeError(`${eventCount} events of ${trialCount} trials`);
  if (trialCount === 0) return [0, 1];
  const share = eventCount / trialCount;
  const reach = Math.log(2 / alpha) / trialCount;
  return [outermost(share, 0, reach), outermost(share, 1, reach)];
}

/** The probability between `share` and `end` that is `reach` away from `share` in relative entropy, by bisection. */
function outermost(share: number, end: 0 | 1, reach: number): number {
  if (share === end) return end;
  let inside = share;
  let outside: number = end;
  for (let round = 0; round < 60; round++) {
    const middle = (inside + outside) / 2;
    if (middle === inside || middle === outside) break;
    if (relativeEntropy(share, middle) <= reach) inside = middle;
    else outside = middle;
  }
  return outside;
}

function relativeEntropy(share: number, other: number): number {
  const hit = share === 0 ? 0 : share * Math.log(share / other);
  const miss = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - other));
  return hit + miss;
}
