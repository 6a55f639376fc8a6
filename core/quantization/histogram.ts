import { entropyRange } from "./entropy.ts";
import type { ActivationRange } from "./pass.ts";

/** As many as ONNX Runtime's percentile calibrator has. */
const BIN_COUNT = 2048;

export interface Histogram {
  /** Counts values; those outside the range count for the bin at its edge. NaN is not allowed. */
  add(values: ArrayLike<number>): void;
  /** The narrowest range of whole bins with at most half of the remaining percentage of the values cut off on each side. */
  range(percentile: number): ActivationRange;
  /** The range of least entropy, within the values seen. */
  leastEntropy(): ActivationRange;
}

/**
 * Counts values in 2048 bins of equal width around 0, over a range known beforehand, so that memory does not grow with the data. ONNX
 * Runtime's calibrator widens its bins as it goes and keeps every activation until the end.
 */
export function createHistogram({ low, high }: ActivationRange): Histogram {
  const counts = new Float64Array(BIN_COUNT);
  const limit = Math.max(Math.abs(low), Math.abs(high));
  const width = (2 * limit) / BIN_COUNT;
  const within = (range: ActivationRange): ActivationRange => ({
    low: Math.min(Math.max(range.low, low), high),
    high: Math.max(Math.min(range.high, high), low),
  });
  let total = 0;
  return {
    add: (values) => {
      for (let at = 0; at < values.length; at++) {
        const bin = width > 0 ? Math.floor((values[at]! + limit) / width) : 0;
        counts[Math.min(Math.max(bin, 0), BIN_COUNT - 1)]! += 1;
      }
      total += values.length;
    },
    range: (percentile) => {
      const cut = (total * (100 - percentile)) / 200;
      let first = 0;
      for (let below = counts[0]!; below <= cut && first < BIN_COUNT - 1; below += counts[first]!) first++;
      let last = BIN_COUNT - 1;
      for (let above = counts[last]!; above <= cut && last > first; above += counts[last]!) last--;
      return within({ low: first * width - limit, high: (last + 1) * width - limit });
    },
    leastEntropy: () => (total === 0 || limit === 0 ? { low, high } : within(entropyRange(counts, limit))),
  };
}
