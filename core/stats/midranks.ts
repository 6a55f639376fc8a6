import { sortedOrder } from "./sorted-order.ts";

/**
 * Rank of every value from 1, ties sharing the mean of their ranks; in the order of `values`, which hold no NaN.
 *
 * Empty gives empty. `order` is `sortedOrder(values)` when the caller has it already. Checked against SciPy's
 * `rankdata(method="average")`.
 */
export function midranks(values: ArrayLike<number>, order: Uint32Array = sortedOrder(values)): Float64Array {
  const ranks = new Float64Array(values.length);
  for (let start = 0, end: number; start < order.length; start = end) {
    end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    const rank = (start + 1 + end) / 2;
    for (let position = start; position < end; position++) ranks[order[position]!] = rank;
  }
  return ranks;
}
