import type { ComparisonResult, Estimate } from "../../contracts/evaluation.ts";
import { METRICS, type MetricName } from "../../contracts/names.ts";
import { createUndefined } from "./estimate.ts";
import type { Metric, MetricSettings } from "./metric.ts";
import { metrics } from "./metrics.ts";
import type { PairedRows } from "./scored-rows.ts";

/** Challenger minus champion by one metric; undefined, with the reason, where either value is. */
export function compareByMetric(name: MetricName, pair: PairedRows, settings: MetricSettings): Estimate {
  const metric: Metric = metrics[name];
  for (const arm of ["challenger", "champion"] as const) {
    const value = metric.measure(pair[arm], settings);
    if (value.kind === "undefined")
      return createUndefined(`the ${arm} has no ${name}: ${value.reason}`, value.sampleCount);
  }
  return metric.compare(pair, settings);
}

/**
 * Compares two models on the same rows by every metric, each difference with a paired interval. A metric that is undefined for either
 * model is left out: there is nothing to subtract.
 */
export function compareModels(pair: PairedRows, settings: MetricSettings): ComparisonResult[] {
  return METRICS.flatMap((name) => {
    const metric: Metric = metrics[name];
    const challenger = metric.measure(pair.challenger, settings);
    const champion = metric.measure(pair.champion, settings);
    if (challenger.kind === "undefined" || champion.kind === "undefined") return [];
    return {
      metric: name,
      challenger: challenger.estimate,
      champion: champion.estimate,
      difference: metric.compare(pair, settings),
    };
  });
}
