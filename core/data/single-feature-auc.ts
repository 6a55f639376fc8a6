import type { FeatureSample } from "./row-sampler.ts";

/** One feature with the labels of its rows. */
export interface LabelledFeature {
  readonly feature: Pick<FeatureSample, "kind" | "values">;
  readonly labels: Uint8Array;
}

/** Groups a number is cut into. A label hidden in one threshold loses at most the purity of one group. */
const GROUP_COUNT = 256;
/** Rows' worth of the overall rate in every group's rate: a value seen once says next to nothing. */
const PRIOR_ROWS = 20;

/**
 * ROC AUC with which one feature alone predicts the label: the better of two predictors learned on the training rows and
 * scored on the evaluation rows.
 * - its value, up or down (numbers only)
 * - the training label rate of its group: a word, or one of 256 ranges of equally many training rows; nulls are a group
 *
 * Values the training never saw get the overall rate, so that a random id scores 0.5.
 * @returns from 0 to 1; null when the evaluation rows are not of both classes or there are no training rows. Ties count half.
 */
export function singleFeatureAuc(training: LabelledFeature, evaluation: LabelledFeature): number | null {
  if (training.labels.length === 0 || !evaluation.labels.includes(0) || !evaluation.labels.includes(1)) return null;
  const groupOf = training.feature.kind === "text" ? wordGroup : rangeGroup(training.feature.values);
  const grouped = targetMeanAuc(training, evaluation, groupOf);
  return training.feature.kind === "text" ? grouped : Math.max(grouped, monotoneAuc(training, evaluation));
}

/** Nulls are group 0, words follow. */
const wordGroup = (code: number): number => (Number.isNaN(code) ? 0 : code + 1);

function rangeGroup(values: Float64Array): (value: number) => number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const edges = new Set<number>();
  for (let group = 1; group < GROUP_COUNT && sorted.length > 0; group++) {
    edges.add(sorted[Math.floor((group * sorted.length) / GROUP_COUNT)]!);
  }
  // The greatest value, however rare, is a group: a flag of the rarest class is one.
  if (sorted.length > 0) edges.add(sorted.at(-1)!);
  const ascending = Float64Array.from(edges);
  return (value) => {
    if (Number.isNaN(value)) return 0;
    let from = 0;
    let to = ascending.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (ascending[middle]! <= value) from = middle + 1;
      else to = middle;
    }
    return from + 1;
  };
}

function targetMeanAuc(
  training: LabelledFeature,
  evaluation: LabelledFeature,
  groupOf: (value: number) => number,
): number {
  const groups = Int32Array.from(training.feature.values, groupOf);
  const asked = Int32Array.from(evaluation.feature.values, groupOf);
  const groupCount = 1 + Math.max(groups.reduce(largest, 0), asked.reduce(largest, 0));
  const rows = new Float64Array(groupCount);
  const positives = new Float64Array(groupCount);
  groups.forEach((group, row) => {
    rows[group] = rows[group]! + 1;
    positives[group] = positives[group]! + training.labels[row]!;
  });
  const rate = positives.reduce((sum, count) => sum + count, 0) / groups.length;
  const scores = rows.map((count, group) => (positives[group]! + PRIOR_ROWS * rate) / (count + PRIOR_ROWS));
  const counts = new Float64Array(2 * groupCount);
  asked.forEach((group, row) => {
    const at = 2 * group + evaluation.labels[row]!;
    counts[at] = counts[at]! + 1;
  });
  const ascending = Array.from(scores.keys()).sort((one, two) => scores[one]! - scores[two]!);
  return aucOfGroups(ascending.map((group) => [scores[group]!, counts[2 * group]!, counts[2 * group + 1]!] as const));
}

const largest = (one: number, two: number): number => (one > two ? one : two);

/** The value itself as the score, in the direction the training rows show; nulls are lowest. */
function monotoneAuc(training: LabelledFeature, evaluation: LabelledFeature): number {
  const auc = valueAuc(evaluation);
  const rising = !training.labels.includes(0) || !training.labels.includes(1) || valueAuc(training) >= 0.5;
  return rising ? auc : 1 - auc;
}

function valueAuc({ feature, labels }: LabelledFeature): number {
  const classes = [0, 1].map((label) =>
    feature.values
      .filter((_, row) => labels[row] === label)
      .map((value) => (Number.isNaN(value) ? -Infinity : value))
      .sort(),
  );
  const [negatives, positives] = [classes[0]!, classes[1]!];
  const groups: (readonly [number, number, number])[] = [];
  for (let below = 0, above = 0; below < negatives.length || above < positives.length;) {
    const score = Math.min(negatives[below] ?? Infinity, positives[above] ?? Infinity);
    const [fromBelow, fromAbove] = [below, above];
    while (below < negatives.length && negatives[below] === score) below++;
    while (above < positives.length && positives[above] === score) above++;
    groups.push([score, below - fromBelow, above - fromAbove]);
  }
  return aucOfGroups(groups);
}

/** AUC from [score, negatives, positives] in ascending order of score; equal scores count as ties. */
function aucOfGroups(groups: readonly (readonly [score: number, negatives: number, positives: number])[]): number {
  let negativesBelow = 0;
  let positiveCount = 0;
  let wins = 0;
  for (let at = 0; at < groups.length;) {
    const score = groups[at]![0];
    let [negatives, positives] = [0, 0];
    for (; at < groups.length && groups[at]![0] === score; at++) {
      negatives += groups[at]![1];
      positives += groups[at]![2];
    }
    wins += positives * (negativesBelow + negatives / 2);
    negativesBelow += negatives;
    positiveCount += positives;
  }
  return wins / (negativesBelow * positiveCount);
}
