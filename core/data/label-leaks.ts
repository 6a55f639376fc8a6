import type { DatasetProfile } from "./dataset-profile.ts";
import type { RowSample } from "./row-sampler.ts";
import { singleFeatureAuc } from "./single-feature-auc.ts";

/** How well one column alone predicts the label; null where that cannot be measured. */
export interface LabelLeak {
  readonly column: string;
  readonly auc: number | null;
  /** Evaluation rows the number rests on. */
  readonly rowCount: number;
}

/**
 * The predictive power of each feature alone, learned on the training data and scored on the evaluation data; with one dataset,
 * learned on every other row and scored on the rest.
 */
export function measureLabelLeaks(training: DatasetProfile, evaluation: DatasetProfile | null): LabelLeak[] {
  const learned = training.sample;
  if (learned === null) return [];
  const scored = evaluation?.sample ?? null;
  const [from, to] = scored === null ? [everyOther(learned, 0), everyOther(learned, 1)] : [learned, scored];
  return from.features.flatMap((feature) => {
    const other = to.features.find(({ column }) => column === feature.column);
    if (other === undefined || other.kind !== feature.kind) return [];
    const auc = singleFeatureAuc({ feature, labels: from.labels }, { feature: other, labels: to.labels });
    return [{ column: feature.column, auc, rowCount: to.labels.length }];
  });
}

function everyOther(sample: RowSample, parity: number): RowSample {
  const mine = (_: number, row: number) => row % 2 === parity;
  return {
    labels: sample.labels.filter(mine),
    features: sample.features.map((feature) => ({ ...feature, values: feature.values.filter(mine) })),
  };
}
