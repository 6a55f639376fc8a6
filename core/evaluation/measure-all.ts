import type { MetricResult } from "../../contracts/evaluation.ts";
import { METRICS } from "../../contracts/names.ts";
import type { MetricSettings } from "./metric.ts";
import { metrics } from "./metrics.ts";
import type { ScoredRows } from "./scored-rows.ts";

/** Every metric on these rows, in the order of their names. */
export function measureAll(rows: ScoredRows, settings: MetricSettings): MetricResult[] {
  return METRICS.map((metric) => ({ metric, value: metrics[metric].measure(rows, settings) }));
}
