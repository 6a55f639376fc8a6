import type { PairedRows, ScoredRows } from "./scored-rows.ts";

/** Rows by decision and label. */
export interface Confusion {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly trueNegative: number;
  readonly falseNegative: number;
}

/** Counts decisions at the model's threshold (a score equal to it is positive) against labels. */
export function countConfusion({ scores, labels, positiveCount, threshold }: ScoredRows): Confusion {
  let truePositive = 0;
  let predictedPositive = 0;
  for (let row = 0; row < scores.length; row++) {
    if (scores[row]! >= threshold) {
      predictedPositive++;
      truePositive += labels[row]!;
    }
  }
  const falsePositive = predictedPositive - truePositive;
  const falseNegative = positiveCount - truePositive;
  return { truePositive, falsePositive, falseNegative, trueNegative: scores.length - positiveCount - falsePositive };
}

/** One of the eight kinds of row two models and a label can make. */
export interface JointCell {
  readonly label: 0 | 1;
  readonly challenger: 0 | 1;
  readonly champion: 0 | 1;
  readonly count: number;
}

/** Counts rows by label and both models' decisions. All eight cells, empty ones too. */
export function countJointConfusion({ challenger, champion }: PairedRows): JointCell[] {
  const counts = new Float64Array(8);
  for (let row = 0; row < challenger.labels.length; row++) {
    const one = challenger.scores[row]! >= challenger.threshold ? 2 : 0;
    const other = champion.scores[row]! >= champion.threshold ? 1 : 0;
    counts[challenger.labels[row]! * 4 + one + other]!++;
  }
  return Array.from(counts, (count, cell) => ({
    label: (cell >> 2) as 0 | 1,
    challenger: ((cell >> 1) & 1) as 0 | 1,
    champion: (cell & 1) as 0 | 1,
    count,
  }));
}
