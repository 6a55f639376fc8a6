import { criticalT } from "../stats/critical-t.ts";
import { createRandom, type Random } from "../stats/random.ts";
import { calibrationBin, largestBias } from "./calibration-bins.ts";
import { createEstimate, type DefinedEstimate } from "./estimate.ts";
import type { MetricSettings } from "./metric.ts";
import type { PairedRows } from "./scored-rows.ts";

const REPLICATES = 200;
/** Rows that share both models' bins and the label. */
interface Cell {
  count: number;
  readonly challengerBin: number;
  readonly championBin: number;
  challengerGap: number;
  championGap: number;
}

/**
 * Calibration error of the challenger minus the champion's, with a paired bootstrap interval.
 *
 * Resampled are Poisson counts of the joint cells (bin, bin, label), at most some hundred whatever the number of rows; they
 * give the spread. Each model's binned error is biased upward by at least 0 and at most `largestBias`, which resampling cannot
 * tell, so the interval reaches over both: wide on small samples, never blind. At least one row.
 */
export function calibrationDifference(pair: PairedRows, settings: MetricSettings): DefinedEstimate {
  const { calibrationBins: binCount, confidence, seed } = settings;
  const cells = jointCells(pair, binCount);
  const difference = (counts: (cell: Cell) => number) => {
    const gaps = [new Float64Array(binCount), new Float64Array(binCount)] as const;
    let rows = 0;
    for (const cell of cells) {
      const count = counts(cell);
      rows += count;
      gaps[0][cell.challengerBin]! += count * cell.challengerGap;
      gaps[1][cell.championBin]! += count * cell.championGap;
    }
    return rows === 0 ? 0 : (absoluteSum(gaps[0]) - absoluteSum(gaps[1])) / rows;
  };
  const estimate = difference((cell) => cell.count);
  const replicates = resample(difference, createRandom(seed));
  const centre = replicates.reduce((sum, value) => sum + value, 0) / REPLICATES;
  const squares = replicates.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  // A spread times a quantile, not quantiles of the replicates: gates over 200 slices ask for tails of 1 in 10 000.
  const halfWidth = criticalT(confidence, REPLICATES - 1) * Math.sqrt(squares / (REPLICATES - 1));
  const bias = largestBias(pair.challenger, binCount);
  const championBias = largestBias(pair.champion, binCount);
  return createEstimate({
    estimate,
    interval: [estimate - bias - halfWidth, estimate + championBias + halfWidth],
    range: [-1, 1],
    confidence,
    sampleCount: pair.challenger.labels.length,
    method: { interval: "paired bootstrap of joint bins, bias bounded", replicates: REPLICATES, seed, bins: binCount },
  });
}

function resample(difference: (counts: (cell: Cell) => number) => number, random: Random): Float64Array {
  return Float64Array.from({ length: REPLICATES }, () => difference((cell) => random.poisson(cell.count)));
}

function jointCells({ challenger, champion }: PairedRows, binCount: number): Cell[] {
  const cells = new Map<number, Cell>();
  for (let row = 0; row < challenger.labels.length; row++) {
    const label = challenger.labels[row]!;
    const challengerBin = calibrationBin(challenger.scores[row]!, binCount);
    const championBin = calibrationBin(champion.scores[row]!, binCount);
    const key = (challengerBin * binCount + championBin) * 2 + label;
    let cell = cells.get(key);
    if (!cell) cells.set(key, (cell = { count: 0, challengerBin, championBin, challengerGap: 0, championGap: 0 }));
    cell.count++;
    cell.challengerGap += challenger.scores[row]! - label;
    cell.championGap += champion.scores[row]! - label;
  }
  // Gaps become means a row. Sorted by key, so that the row order does not choose which random number meets which cell.
  return [...cells.entries()]
    .sort(([one], [other]) => one - other)
    .map(([, cell]) => ({
      ...cell,
      challengerGap: cell.challengerGap / cell.count,
      championGap: cell.championGap / cell.count,
    }));
}

function absoluteSum(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += Math.abs(value);
  return sum;
}
