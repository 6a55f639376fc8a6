import { criticalZ } from "../stats/critical-z.ts";
import type { JointCell } from "./confusion.ts";
import { createEstimate, type DefinedEstimate } from "./estimate.ts";

/** What a row adds to a metric that is a ratio of sums: precision, F1. */
export interface RatioTerms {
  readonly numerator: (label: number, decision: number) => number;
  readonly denominator: (label: number, decision: number) => number;
}

/** Rows imagined in each cell where the models differ, for the width only: two models that agree on few rows are not proven equal. */
const IMAGINED_ROWS = 0.5;

/**
 * Difference of a ratio of sums between two models on the same rows, with the delta-method interval over the eight
 * joint confusion cells: exact for large samples, no resampling. Both denominators are positive.
 *
 * Source: Casella and Berger, Statistical Inference (2002), 5.5.4. Checked against a paired bootstrap in Python.
 */
export function pairedRatioDifference(
  cells: readonly JointCell[],
  { numerator, denominator }: RatioTerms,
  confidence: number,
): DefinedEstimate {
  const sums = (decision: (cell: JointCell) => number) => {
    let top = 0;
    let bottom = 0;
    for (const cell of cells) {
      top += cell.count * numerator(cell.label, decision(cell));
      bottom += cell.count * denominator(cell.label, decision(cell));
    }
    const ratio = top / bottom;
    const influence = (cell: JointCell) =>
      (numerator(cell.label, decision(cell)) - ratio * denominator(cell.label, decision(cell))) / bottom;
    return { ratio, influence };
  };
  const challenger = sums((cell) => cell.challenger);
  const champion = sums((cell) => cell.champion);
  let variance = 0;
  let rowCount = 0;
  for (const cell of cells) {
    const imagined = cell.challenger === cell.champion ? 0 : IMAGINED_ROWS;
    variance += (cell.count + imagined) * (challenger.influence(cell) - champion.influence(cell)) ** 2;
    rowCount += cell.count;
  }
  const estimate = challenger.ratio - champion.ratio;
  const halfWidth = criticalZ(confidence) * Math.sqrt(variance);
  return createEstimate({
    estimate,
    interval: [estimate - halfWidth, estimate + halfWidth],
    range: [-1, 1],
    confidence,
    sampleCount: rowCount,
    method: { interval: "delta method over joint confusion cells", imaginedRows: IMAGINED_ROWS },
  });
}
