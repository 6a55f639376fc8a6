import { wilsonInterval } from "../../stats/wilson-interval.ts";
import { countConfusion, countJointConfusion } from "../confusion.ts";
import { createEstimate, createUndefined } from "../estimate.ts";
import type { Metric } from "../metric.ts";
import { pairedRatioDifference } from "../ratio-difference.ts";

/**
 * Share of the rows predicted positive that are. Wilson interval given how many were predicted positive; undefined when none was,
 * where scikit-learn's `precision_score` would say 0.
 */
export const precision: Metric = {
  name: "precision",
  direction: "higher",
  unit: "share",
  range: [0, 1],
  measure(rows, { confidence }) {
    const { truePositive, falsePositive } = countConfusion(rows);
    const predicted = truePositive + falsePositive;
    if (predicted === 0) {
      return createUndefined(`no row is predicted positive at threshold ${rows.threshold}`, rows.labels.length);
    }
    return createEstimate({
      estimate: truePositive / predicted,
      interval: wilsonInterval(truePositive, predicted, confidence),
      range: [0, 1],
      confidence,
      sampleCount: predicted,
      method: { interval: "Wilson", threshold: rows.threshold, truePositiveCount: truePositive },
    });
  },
  compare(pair, { confidence }) {
    const terms = {
      numerator: (label: number, decision: number) => label * decision,
      denominator: (_label: number, decision: number) => decision,
    };
    return pairedRatioDifference(countJointConfusion(pair), terms, confidence);
  },
};
