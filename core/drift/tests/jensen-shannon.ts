import { multinomialDivergenceBound } from "../../stats/multinomial-divergence-bound.ts";
import { foldCells, valueCount } from "../column-counts.ts";
import type { Comparison, DriftTest } from "./drift-test.ts";

/**
 * Jensen-Shannon distance, base 2, of the shares of the cells: 0 the same, 1 nothing in common. Being a metric, it moves by
 * at most the distance of each sample from its own truth, and that distance is at most sqrt(KL / 2) with KL in nats, because
 * the generators of the two divergences have a ratio of at most ln(2) / 2. Checked against SciPy's `jensenshannon(base=2)`.
 */
export const jensenShannon: DriftTest = {
  name: "jensen-shannon",
  effect: "Jensen-Shannon distance, base 2, over cells folded from the reference",
  bounds: "triangle inequality with the multinomial concentration of relative entropy, valid at every sample size",
  unit: "distance",
  range: [0, 1],
  kinds: ["number", "category"],
  defaultMargin: 0.1,
  rowCount: valueCount,
  measure: distance,
  interval: (counts, alpha) => {
    const effect = distance(counts);
    const width = halfWidth(counts, alpha);
    return [Math.max(0, effect - width), Math.min(1, effect + width)];
  },
  detectable: (counts, margin, alpha) => margin + halfWidth(counts, alpha),
  facts: ({ reference, current }) => ({ cells: foldCells(reference, current).reference.length }),
};

function halfWidth({ reference, current }: Comparison, alpha: number): number {
  const cells = foldCells(reference, current).reference.length;
  const reach = (rows: number) => Math.sqrt(multinomialDivergenceBound(rows, cells, alpha / 2) / 2);
  return reach(valueCount(reference)) + reach(valueCount(current));
}

function distance({ reference, current }: Comparison): number {
  const cells = foldCells(reference, current);
  const referenceTotal = valueCount(reference);
  const currentTotal = valueCount(current);
  let sum = 0;
  for (const [cell, count] of cells.reference.entries()) {
    const p = count / referenceTotal;
    const q = (cells.current[cell] ?? 0) / currentTotal;
    sum += part(p, p + q) + part(q, p + q);
  }
  return Math.sqrt(Math.min(1, Math.max(0, sum / 2)));
}

function part(share: number, both: number): number {
  return share === 0 ? 0 : share * Math.log2((2 * share) / both);
}
