/**
 * Inner edges that cut values into bins of about equal mass: bin i holds (edges[i-1], edges[i]], the first and last are open,
 * so a new extreme value moves one row's mass only. A value that holds a bin's mass or more (a code, a clipped end, zero) gets
 * a bin of its own, with an edge just below it.
 *
 * `sorted` ascending and finite, ties welcome. At most `maximumBins` - 1 edges, strictly ascending, at least one ([0] of no values).
 */
export function quantileEdges(sorted: Float64Array, maximumBins: number): number[] {
  const edges = new Set<number>();
  let previous = Number.NaN;
  for (let level = 1; level < maximumBins; level++) {
    const value = sorted[Math.ceil((sorted.length * level) / maximumBins) - 1];
    if (value === undefined) continue;
    if (value === previous) addFinite(edges, edgeBelow(sorted, value));
    edges.add(value);
    previous = value;
  }
  return edges.size === 0 ? [0] : [...edges].sort((a, b) => a - b);
}

/** Below the smallest double there is no edge, and no value that one would set apart. */
function addFinite(edges: Set<number>, edge: number): void {
  if (Number.isFinite(edge)) edges.add(edge);
}

/** Halfway to the next smaller value that occurs, or the next smaller double when none does. */
function edgeBelow(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  const smaller = sorted[low - 1];
  if (smaller === undefined) return nextBelow(value);
  const halfway = smaller + (value - smaller) / 2;
  return halfway < value ? halfway : smaller;
}

function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const bits = new BigInt64Array(new Float64Array([value]).buffer);
  bits[0] = bits[0]! + (value > 0 ? -1n : 1n);
  return new Float64Array(bits.buffer)[0]!;
}
