import type { Estimate } from "../../contracts/evaluation.ts";
import type { MetricName } from "../../contracts/names.ts";
import type { PairedRows, ScoredRows } from "./scored-rows.ts";

export interface MetricSettings {
  /** Of every interval, in (0, 1). */
  readonly confidence: number;
  /** Equal-width bins of the calibration error. */
  readonly calibrationBins: number;
  /** Of resampling, where there is no analytic interval. */
  readonly seed: number;
}

/**
 * A measure of a binary classifier: one file that describes itself, one line in `metrics.ts`.
 *
 * Both functions are pure and do not depend on the order of rows. A value that does not exist (one class only, nothing predicted
 * positive) is `undefined` with its reason, never 0.
 */
export interface Metric {
  readonly name: MetricName;
  /** Which way is better. */
  readonly direction: "higher" | "lower";
  readonly unit: "share" | "probability" | "nats" | "squared probability";
  /** Smallest and largest possible value. */
  readonly range: readonly [number, number];
  /** The value on these rows with its interval. */
  measure(rows: ScoredRows, settings: MetricSettings): Estimate;
  /** Challenger minus champion on the same rows with a paired interval; called only when both values exist. */
  compare(pair: PairedRows, settings: MetricSettings): Estimate;
}
