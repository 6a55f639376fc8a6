/**
 * Which points nothing dominates: no other is at most as large in every coordinate and smaller in one. Equal points are all on the
 * front. An undefined coordinate (NaN) is worse than any number.
 */
export function paretoFront(points: readonly (readonly number[])[]): boolean[] {
  const known = points.map((point) => point.map((value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value)));
  return known.map((point) => !known.some((other) => dominates(other, point)));
}

function dominates(one: readonly number[], other: readonly number[]): boolean {
  return one.every((value, at) => value <= other[at]!) && one.some((value, at) => value < other[at]!);
}
