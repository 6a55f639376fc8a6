import { criticalT } from "../stats/critical-t.ts";
import { wilsonInterval } from "../stats/wilson-interval.ts";
import { createEstimate, type DefinedEstimate } from "./estimate.ts";

interface MeanOptions {
  /** Smallest and largest value a row can have. */
  readonly range: readonly [number, number];
  readonly confidence: number;
}

/**
 * Mean of a value per row with the interval mean ± t·se, cut to `range`. At least one row, no NaN.
 *
 * Where the spread cannot be seen (one row, or the same value in every row) the interval is Wilson's stretched over the
 * range: no variable of that mean and range spreads wider, so few equal rows never look like certainty.
 */
export function meanEstimate(values: Float64Array, { range, confidence }: MeanOptions): DefinedEstimate {
  const rowCount = values.length;
  let sum = 0;
  for (const value of values) sum += value;
  const mean = Math.min(range[1], Math.max(range[0], sum / rowCount));
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const parts = { estimate: mean, range, confidence, sampleCount: rowCount };
  if (values.every((value) => value === values[0])) {
    const width = range[1] - range[0];
    const [low, high] = wilsonInterval(((mean - range[0]) / width) * rowCount, rowCount, confidence);
    return createEstimate({
      ...parts,
      interval: [range[0] + width * low, range[0] + width * high],
      method: { interval: "Wilson over the range, all rows equal" },
    });
  }
  const halfWidth = criticalT(confidence, rowCount - 1) * Math.sqrt(squares / (rowCount - 1) / rowCount);
  return createEstimate({
    ...parts,
    interval: [mean - halfWidth, mean + halfWidth],
    method: { interval: "mean ± t standard errors" },
  });
}

/**
 * Mean of the differences per row of two models, positive when the challenger's is larger. Equal differences in every row (the
 * same model twice) are a single point: paired rows leave nothing to vary.
 */
export function pairedMeanDifference(
  challenger: Float64Array,
  champion: Float64Array,
  { range, confidence }: MeanOptions,
): DefinedEstimate {
  const differences = challenger.map((value, row) => value - champion[row]!);
  const first = differences[0]!;
  if (differences.length > 1 && differences.every((difference) => difference === first)) {
    return createEstimate({
      estimate: first,
      interval: [first, first],
      confidence,
      sampleCount: differences.length,
      range: [range[0] - range[1], range[1] - range[0]],
      method: { interval: "paired, all rows differ equally" },
    });
  }
  const width = range[1] - range[0];
  const estimated = meanEstimate(differences, { range: [-width, width], confidence });
  return { ...estimated, method: { interval: "paired mean ± t standard errors" } };
}
