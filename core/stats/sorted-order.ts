/** Indices of `values` in ascending order of value; equal values keep their order. The values hold no NaN. */
export function sortedOrder(values: ArrayLike<number>): Uint32Array {
  const order = Uint32Array.from({ length: values.length }, (_, index) => index);
  return order.sort((one, other) => values[one]! - values[other]! || one - other);
}
