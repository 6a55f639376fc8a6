import { wilsonInterval } from "../../stats/wilson-interval.ts";
import { countConfusion, countJointConfusion } from "../confusion.ts";
import { createEstimate, createUndefined } from "../estimate.ts";
import type { Metric } from "../metric.ts";
import { pairedShareDifference } from "../paired-share.ts";

/**
 * Share of the positive rows that are predicted positive. Wilson interval; paired on the positives the models decide differently;
 * undefined without positives. Equals scikit-learn's `recall_score`.
 */
export const recall: Metric = {
  name: "recall",
  direction: "higher",
  unit: "share",
  range: [0, 1],
  measure(rows, { confidence }) {
    if (rows.positiveCount === 0) return createUndefined("no row is positive", rows.labels.length);
    const { truePositive } = countConfusion(rows);
    return createEstimate({
      estimate: truePositive / rows.positiveCount,
      interval: wilsonInterval(truePositive, rows.positiveCount, confidence),
      range: [0, 1],
      confidence,
      sampleCount: rows.positiveCount,
      method: { interval: "Wilson", threshold: rows.threshold, truePositiveCount: truePositive },
    });
  },
  compare(pair, { confidence }) {
    let gained = 0;
    let lost = 0;
    for (const { label, challenger, champion, count } of countJointConfusion(pair)) {
      if (label === 0) continue;
      if (challenger > champion) gained += count;
      if (challenger < champion) lost += count;
    }
    return pairedShareDifference({ gained, lost, rowCount: pair.challenger.positiveCount }, confidence);
  },
};
