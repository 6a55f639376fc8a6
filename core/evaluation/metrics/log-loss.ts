import { createUndefined } from "../estimate.ts";
import { meanEstimate, pairedMeanDifference } from "../mean-estimate.ts";
import type { Metric } from "../metric.ts";
import type { ScoredRows } from "../scored-rows.ts";

/** Scores are clipped this far from 0 and 1, as scikit-learn does for 64-bit floats since 1.2. */
const CLIP = Number.EPSILON;
const range = [0, -Math.log(CLIP)] as const;

/**
 * Mean negative log-likelihood in nats. One confident miss costs up to 36: where a model scores exactly 0 or 1, the paired
 * interval at 90 % from 300 rows held 85 times in 100 in simulation, from 2000 rows 90 times.
 * Equals scikit-learn's `log_loss` with `labels=[0, 1]`; defined with one class only.
 */
export const logLoss: Metric = {
  name: "log-loss",
  direction: "lower",
  unit: "nats",
  range,
  measure(rows, { confidence }) {
    if (rows.labels.length === 0) return createUndefined("no rows", 0);
    return meanEstimate(losses(rows), { range, confidence });
  },
  compare({ challenger, champion }, { confidence }) {
    return pairedMeanDifference(losses(challenger), losses(champion), { range, confidence });
  },
};

const losses = ({ scores, labels }: ScoredRows): Float64Array =>
  scores.map((score, row) => {
    const ofLabel = labels[row] === 1 ? score : 1 - score;
    return -Math.log(Math.min(1 - CLIP, Math.max(CLIP, ofLabel)));
  });
