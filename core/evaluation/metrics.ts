import type { MetricName } from "../../contracts/names.ts";
import type { Metric } from "./metric.ts";
import { accuracy } from "./metrics/accuracy.ts";
import { brierScore } from "./metrics/brier-score.ts";
import { calibrationError } from "./metrics/calibration-error.ts";
import { f1 } from "./metrics/f1.ts";
import { logLoss } from "./metrics/log-loss.ts";
import { precision } from "./metrics/precision.ts";
import { recall } from "./metrics/recall.ts";
import { rocAuc } from "./metrics/roc-auc.ts";

/** Registry of metrics: one file each, one line here; every metric runs through test/unit/evaluation/metrics.test.ts. */
export const metrics = {
  accuracy,
  precision,
  recall,
  f1,
  "roc-auc": rocAuc,
  "log-loss": logLoss,
  "brier-score": brierScore,
  "calibration-error": calibrationError,
} satisfies Record<MetricName, Metric>;
