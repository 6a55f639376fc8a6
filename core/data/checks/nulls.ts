import { datasetsOf, percent, type DataCheck } from "./data-check.ts";

/** Infinite numbers count as null: no model can use them either. */
export const nullsCheck: DataCheck = {
  name: "nulls",
  purpose: "Values are missing that a model would have to guess.",
  judge: (facts, { maximumNullShare }) =>
    datasetsOf(facts).flatMap((dataset) =>
      dataset.columns.map(({ name, nullCount, rowCount }) => {
        const share = rowCount === 0 ? 0 : nullCount / rowCount;
        const few = share <= maximumNullShare;
        const found = `${dataset.name}: "${name}" is null or infinite in ${percent(share)} of rows`;
        return {
          dataset: dataset.name,
          column: name,
          verdict: few ? "pass" : "fail",
          observed: share,
          allowed: `at most ${percent(maximumNullShare)}`,
          message: few
            ? found
            : `${found}, at most ${percent(maximumNullShare)} allowed; fill them in with coalesce in the select, or raise checks.maximumNullShare`,
        };
      }),
    ),
};
