import type { CheckResult, DataChecks } from "../../../contracts/data.ts";
import type { DataCheckName } from "../../../contracts/names.ts";
import type { DatasetFacts, OverlapFacts } from "../dataset-profile.ts";
import type { LabelLeak } from "../label-leaks.ts";

/** Everything measured, before anything is judged. */
export interface DataFacts {
  readonly training: DatasetFacts;
  readonly evaluation: DatasetFacts | null;
  readonly label: string | null;
  readonly time: string | null;
  readonly overlap: OverlapFacts | null;
  readonly leaks: readonly LabelLeak[];
}

/** A plug-in: one file that says what it looks for and judges facts. It sees no rows. */
export interface DataCheck {
  readonly name: DataCheckName;
  /** What a failure means, in one sentence for people. */
  readonly purpose: string;
  /** One result a dataset or column; none where there is nothing to judge, e.g. no second dataset. */
  readonly judge: (facts: DataFacts, settings: DataChecks) => readonly Omit<CheckResult, "check">[];
}

export const datasetsOf = ({ training, evaluation }: DataFacts): readonly DatasetFacts[] =>
  evaluation === null ? [training] : [training, evaluation];

/** 0.0123 as "1.23 %". */
export const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
