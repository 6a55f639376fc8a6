import { wilsonInterval } from "../../stats/wilson-interval.ts";
import { countConfusion, countJointConfusion } from "../confusion.ts";
import { createEstimate, createUndefined } from "../estimate.ts";
import type { Metric } from "../metric.ts";
import { pairedRatioDifference } from "../ratio-difference.ts";

/**
 * Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); undefined when nothing is positive or predicted so.
 *
 * The interval is Wilson's for J = TP / (TP + FP + FN), a plain share of those rows, carried over by the increasing F1 = 2 J / (1 + J):
 * no approximation beyond Wilson's own. Equals scikit-learn's `f1_score`.
 */
export const f1: Metric = {
  name: "f1",
  direction: "higher",
  unit: "share",
  range: [0, 1],
  measure(rows, { confidence }) {
    const { truePositive, falsePositive, falseNegative } = countConfusion(rows);
    const counted = truePositive + falsePositive + falseNegative;
    if (counted === 0) return createUndefined("no row is positive or predicted positive", rows.labels.length);
    const fromJaccard = (jaccard: number) => (2 * jaccard) / (1 + jaccard);
    const [low, high] = wilsonInterval(truePositive, counted, confidence);
    return createEstimate({
      estimate: (2 * truePositive) / (counted + truePositive),
      interval: [fromJaccard(low), fromJaccard(high)],
      range: [0, 1],
      confidence,
      sampleCount: counted,
      method: { interval: "Wilson through Jaccard", threshold: rows.threshold, truePositiveCount: truePositive },
    });
  },
  compare(pair, { confidence }) {
    const terms = {
      numerator: (label: number, decision: number) => 2 * label * decision,
      denominator: (label: number, decision: number) => label + decision,
    };
    return pairedRatioDifference(countJointConfusion(pair), terms, confidence);
  },
};
