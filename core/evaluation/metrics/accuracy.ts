import { wilsonInterval } from "../../stats/wilson-interval.ts";
import { countConfusion, countJointConfusion } from "../confusion.ts";
import { createEstimate, createUndefined } from "../estimate.ts";
import type { Metric } from "../metric.ts";
import { pairedShareDifference } from "../paired-share.ts";

/** Share of rows decided rightly. Wilson interval; paired on the rows the models decide differently. Equals scikit-learn's `accuracy_score`. */
export const accuracy: Metric = {
  name: "accuracy",
  direction: "higher",
  unit: "share",
  range: [0, 1],
  measure(rows, { confidence }) {
    const rowCount = rows.labels.length;
    if (rowCount === 0) return createUndefined("no rows", 0);
    const { truePositive, trueNegative } = countConfusion(rows);
    const right = truePositive + trueNegative;
    return createEstimate({
      estimate: right / rowCount,
      interval: wilsonInterval(right, rowCount, confidence),
      range: [0, 1],
      confidence,
      sampleCount: rowCount,
      method: { interval: "Wilson", threshold: rows.threshold, rightCount: right },
    });
  },
  compare(pair, { confidence }) {
    let gained = 0;
    let lost = 0;
    for (const cell of countJointConfusion(pair)) {
      if (cell.challenger === cell.champion) continue;
      if (cell.challenger === cell.label) gained += cell.count;
      else lost += cell.count;
    }
    return pairedShareDifference({ gained, lost, rowCount: pair.challenger.labels.length }, confidence);
  },
};
