import { bernoulliBounds } from "../../stats/bernoulli-bounds.ts";

/** Events among rows, in the reference and in the window. */
export interface RatePair {
  readonly referenceEvents: number;
  readonly referenceRows: number;
  readonly currentEvents: number;
  readonly currentRows: number;
}

/** Rate in the window minus rate in the reference, -1 to 1. */
export function rateDifference(rates: RatePair): number {
  return rates.currentEvents / rates.currentRows - rates.referenceEvents / rates.referenceRows;
}

/**
 * Bounds of the difference, each rate bounded at half of `alpha`. Not Newcombe's interval, which adds Wilson widths in squares:
 * at the small alpha a nightly check leaves each test, the normal law under it is wrong just where null rates live, near 0.
 */
export function rateDifferenceBounds(rates: RatePair, alpha: number): [low: number, high: number] {
  const [referenceLow, referenceHigh] = bernoulliBounds(rates.referenceEvents, rates.referenceRows, alpha / 2);
  const [currentLow, currentHigh] = bernoulliBounds(rates.currentEvents, rates.currentRows, alpha / 2);
  return [currentLow - referenceHigh, currentHigh - referenceLow];
}

/** Smallest rise of the rate whose lower bound would exceed the margin with as many rows; above 1 when none would. */
export function smallestProvableRise(rates: RatePair, margin: number, alpha: number): number {
  const provable = (currentEvents: number) => rateDifferenceBounds({ ...rates, currentEvents }, alpha)[0] > margin;
  let low = 0;
  let high = rates.currentRows;
  if (!provable(high)) return 1 + margin;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (provable(middle)) high = middle;
    else low = middle;
  }
  return rateDifference({ ...rates, currentEvents: high });
}
