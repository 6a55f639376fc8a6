import type { EvaluationCurves } from "../../contracts/evaluation.ts";
import { wilsonInterval } from "../stats/wilson-interval.ts";
import { countCalibrationBins } from "./calibration-bins.ts";
import type { ScoredRows } from "./scored-rows.ts";

const MAXIMUM_POINTS = 300;

type Point = [number, number];

interface CurveSettings {
  readonly calibrationBins: number;
  /** Of the reliability bins' intervals. */
  readonly confidence: number;
}

/**
 * ROC, precision-recall and reliability curves for drawing; never for judging, the first two are thinned to 300 points.
 *
 * With one class only, ROC is empty; without positives so is precision-recall, which has no made-up point at recall 0. Empty
 * calibration bins are left out. Points before thinning equal scikit-learn's `roc_curve` and `precision_recall_curve`.
 */
export function drawCurves(rows: ScoredRows, { calibrationBins, confidence }: CurveSettings): EvaluationCurves {
  const negativeCount = rows.labels.length - rows.positiveCount;
  const steps = thresholdSteps(rows);
  const roc =
    rows.positiveCount > 0 && negativeCount > 0
      ? [{ predicted: 0, right: 0 }, ...steps].map(({ predicted, right }): Point => [
          (predicted - right) / negativeCount,
          right / rows.positiveCount,
        ])
      : [];
  const precisionRecall =
    rows.positiveCount > 0
      ? steps.map(({ predicted, right }): Point => [right / rows.positiveCount, right / predicted])
      : [];
  return {
    roc: thin(roc),
    precisionRecall: thin(precisionRecall),
    reliability: reliability(rows, calibrationBins, confidence),
  };
}

/** Rows predicted positive, and rightly so, at every distinct score from the highest down. */
function thresholdSteps({ scores, labels, order }: ScoredRows): { predicted: number; right: number }[] {
  const steps = [];
  let right = 0;
  for (let position = order.length - 1; position >= 0; position--) {
    const row = order[position]!;
    right += labels[row]!;
    const tied = position > 0 && scores[order[position - 1]!] === scores[row];
    if (!tied) steps.push({ predicted: order.length - position, right });
  }
  return steps;
}

/** Keeps both ends and points evenly spread along the curve's length, so that steep and flat parts keep their shape. */
function thin(points: Point[]): Point[] {
  if (points.length <= MAXIMUM_POINTS) return points;
  const lengths = new Float64Array(points.length);
  for (let index = 1; index < points.length; index++) {
    const [x, y] = points[index]!;
    const [previousX, previousY] = points[index - 1]!;
    lengths[index] = lengths[index - 1]! + Math.abs(x - previousX) + Math.abs(y - previousY);
  }
  const total = lengths.at(-1)!;
  const kept: Point[] = [];
  for (const [index, point] of points.entries()) {
    const due = (kept.length * total) / (MAXIMUM_POINTS - 1);
    if (index === points.length - 1 || (kept.length < MAXIMUM_POINTS - 1 && lengths[index]! >= due)) kept.push(point);
  }
  return kept;
}

function reliability(rows: ScoredRows, binCount: number, confidence: number): EvaluationCurves["reliability"] {
  const { counts, positives, scoreSums } = countCalibrationBins(rows, binCount);
  const bins = [];
  for (let bin = 0; bin < binCount; bin++) {
    const rowCount = counts[bin]!;
    if (rowCount === 0) continue;
    const [low, high] = wilsonInterval(positives[bin]!, rowCount, confidence);
    bins.push({
      meanScore: scoreSums[bin]! / rowCount,
      positiveShare: positives[bin]! / rowCount,
      low,
      high,
      rowCount,
    });
  }
  return bins;
}
