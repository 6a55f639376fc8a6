import type { ColumnSummary } from "../../../contracts/data.ts";
import type { DatasetFacts } from "../dataset-profile.ts";
import { datasetsOf, type DataCheck, type DataFacts } from "./data-check.ts";

/** The datasets have the same columns with the same types, among them the label (0/1 without nulls) and the time. */
export const schemaCheck: DataCheck = {
  name: "schema",
  purpose: "Columns or types are not what training, evaluation and serving were told to expect.",
  judge(facts) {
    return datasetsOf(facts).map((dataset) => {
      const problems = [
        ...missingProblems(dataset, facts),
        ...labelProblems(dataset, facts),
        ...differences(dataset, facts),
      ];
      const message =
        problems.length === 0
          ? `${dataset.name}: ${dataset.columns.length} columns as expected`
          : `${dataset.name}: ${problems.join("; ")}; change the selection or the source`;
      return {
        dataset: dataset.name,
        column: null,
        verdict: problems.length === 0 ? ("pass" as const) : ("fail" as const),
        observed: problems.length,
        allowed: "the same columns and types in every dataset, a timestamp as time, a 0/1 label without nulls",
        message,
      };
    });
  },
};

const find = (dataset: DatasetFacts, name: string): ColumnSummary | undefined =>
  dataset.columns.find((column) => column.name === name);

function missingProblems(dataset: DatasetFacts, { label, time }: DataFacts): string[] {
  const problems = [label, time].flatMap((name) =>
    name !== null && find(dataset, name) === undefined ? [`column "${name}" is missing`] : [],
  );
  const type = time === null ? undefined : find(dataset, time)?.type;
  return type === undefined || type === "timestamp"
    ? problems
    : [...problems, `time "${time}" is ${type}, not a timestamp`];
}

function labelProblems(dataset: DatasetFacts, { label }: DataFacts): string[] {
  if (dataset.labels === null || label === null || find(dataset, label) === undefined) return [];
  const { nullCount, otherCount } = dataset.labels;
  return [
    ...(nullCount > 0 ? [`label "${label}" is null in ${nullCount} rows`] : []),
    ...(otherCount > 0 ? [`label "${label}" is neither 0 nor 1 in ${otherCount} rows`] : []),
  ];
}

/** What the other dataset has and this one has not, or has otherwise; told once, of the evaluation data. */
function differences(dataset: DatasetFacts, { training }: DataFacts): string[] {
  if (dataset === training) return [];
  const changed = training.columns.flatMap(({ name, type }) => {
    const own = find(dataset, name);
    if (own === undefined) return [`column "${name}" of the training data is missing`];
    return own.type === type ? [] : [`column "${name}" is ${own.type}, ${type} in the training data`];
  });
  const added = dataset.columns
    .filter(({ name }) => find(training, name) === undefined)
    .map(({ name }) => `column "${name}" is not in the training data`);
  return [...changed, ...added];
}
