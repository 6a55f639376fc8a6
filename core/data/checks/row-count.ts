import { datasetsOf, type DataCheck } from "./data-check.ts";

export const rowCountCheck: DataCheck = {
  name: "row-count",
  purpose: "There are too few rows to learn from or to judge by.",
  judge: (facts, { minimumRows }) =>
    datasetsOf(facts).map(({ name, rowCount }) => {
      const enough = rowCount >= minimumRows;
      return {
        dataset: name,
        column: null,
        verdict: enough ? "pass" : "fail",
        observed: rowCount,
        allowed: `at least ${minimumRows} rows`,
        message: enough
          ? `${name}: ${rowCount} rows`
          : `${name}: ${rowCount} rows, at least ${minimumRows} wanted; widen the window, or lower checks.minimumRows`,
      };
    }),
};
