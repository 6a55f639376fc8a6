import { bernoulliBounds } from "../../stats/bernoulli-bounds.ts";
import { foldCells, valueCount } from "../column-counts.ts";
import type { Comparison, DriftTest } from "./drift-test.ts";

/** Shares below it count as this, or one empty cell would make the index infinite. Part of the statistic's definition. */
const SHARE_FLOOR = 1e-4;

/** No more than two opposite point masses can differ. */
const HIGHEST = 2 * (1 - SHARE_FLOOR) * Math.log(1 / SHARE_FLOOR);

/**
 * Population stability index: sum over cells of (q - p) ln(q / p), shares floored at 0.0001 and not renormalised. Bounded cell by
 * cell: every cell's two shares are bounded at the test's alpha over all of them, and the index takes its least and greatest
 * value in that box. Checked against NumPy.
 */
export const populationStabilityIndex: DriftTest = {
  name: "population-stability-index",
  effect: "population stability index over cells folded from the reference",
  bounds: "box of Chernoff bounds of all cells (Bonferroni), valid at every sample size, conservative",
  unit: "nats",
  range: [0, HIGHEST],
  kinds: ["number", "category"],
  defaultMargin: 0.2,
  rowCount: valueCount,
  measure: (counts) => {
    const shares = sharesOf(counts);
    return shares.reference.reduce((sum, p, cell) => sum + term(p, shares.current[cell]!), 0);
  },
  interval: (counts, alpha) => {
    const cells = foldCells(counts.reference, counts.current);
    return box(boundsOf(cells.reference, alpha), boundsOf(cells.current, alpha));
  },
  detectable: smallestProvable,
  facts: ({ reference, current }) => ({
    cells: foldCells(reference, current).reference.length,
    shareFloor: SHARE_FLOOR,
  }),
};

function term(p: number, q: number): number {
  const flooredP = Math.max(p, SHARE_FLOOR);
  const flooredQ = Math.max(q, SHARE_FLOOR);
  return (flooredQ - flooredP) * Math.log(flooredQ / flooredP);
}

function sharesOf({ reference, current }: Comparison) {
  const cells = foldCells(reference, current);
  const share = (counts: readonly number[], total: number) => counts.map((count) => count / total);
  return {
    reference: share(cells.reference, valueCount(reference)),
    current: share(cells.current, valueCount(current)),
  };
}

type Bounds = readonly (readonly [low: number, high: number])[];

function boundsOf(counts: readonly number[], alpha: number): Bounds {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => bernoulliBounds(count, total, alpha / (2 * counts.length)));
}

function box(reference: Bounds, current: Bounds): [least: number, greatest: number] {
  let least = 0;
  let greatest = 0;
  for (const [cell, [pLow, pHigh]] of reference.entries()) {
    const [qLow, qHigh] = current[cell]!;
    if (qLow > pHigh) least += term(pHigh, qLow);
    else if (qHigh < pLow) least += term(pLow, qHigh);
    greatest += Math.max(term(pLow, qHigh), term(pHigh, qLow));
  }
  return [least, Math.min(HIGHEST, greatest)];
}

/** For a window in which every second cell loses the same part of its mass to the others: one shape of drift among many. */
function smallestProvable(counts: Comparison, margin: number, alpha: number): number {
  const { reference } = foldCells(counts.reference, counts.current);
  const referenceTotal = valueCount(counts.reference);
  const currentTotal = valueCount(counts.current);
  const odd = reference.reduce((sum, count, cell) => sum + (cell % 2 === 1 ? count : 0), 0);
  const even = referenceTotal - odd;
  if (even === 0) return HIGHEST + margin;
  const bounds = boundsOf(reference, alpha);
  const shifted = (part: number) =>
    reference.map((count, cell) => (count / referenceTotal) * (cell % 2 === 1 ? 1 - part : 1 + (part * odd) / even));
  const isProvable = (part: number) => {
    const current = shifted(part).map((share) => share * currentTotal);
    return box(bounds, boundsOf(current, alpha))[0] > margin;
  };
  let low = 0;
  let high = 1;
  if (!isProvable(high)) return HIGHEST + margin;
  for (let round = 0; round < 20; round++) {
    const middle = (low + high) / 2;
    if (isProvable(middle)) high = middle;
    else low = middle;
  }
  return shifted(high).reduce((sum, share, cell) => sum + term(reference[cell]! / referenceTotal, share), 0);
}
