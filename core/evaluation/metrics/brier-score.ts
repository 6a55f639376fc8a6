import { createUndefined } from "../estimate.ts";
import { meanEstimate, pairedMeanDifference } from "../mean-estimate.ts";
import type { Metric } from "../metric.ts";
import type { ScoredRows } from "../scored-rows.ts";

const range = [0, 1] as const;

/** Mean squared distance of score and label. Equals scikit-learn's `brier_score_loss`; defined with one class only. */
export const brierScore: Metric = {
  name: "brier-score",
  direction: "lower",
  unit: "squared probability",
  range,
  measure(rows, { confidence }) {
    if (rows.labels.length === 0) return createUndefined("no rows", 0);
    return meanEstimate(squaredErrors(rows), { range, confidence });
  },
  compare({ challenger, champion }, { confidence }) {
    return pairedMeanDifference(squaredErrors(challenger), squaredErrors(champion), { range, confidence });
  },
};

const squaredErrors = ({ scores, labels }: ScoredRows): Float64Array =>
  scores.map((score, row) => (score - labels[row]!) ** 2);
