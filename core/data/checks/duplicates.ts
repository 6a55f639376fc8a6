import { datasetsOf, percent, type DataCheck } from "./data-check.ts";

export const duplicatesCheck: DataCheck = {
  name: "duplicates",
  purpose: "Rows stand in the data more than once: an export ran twice, or a join multiplied them.",
  judge: (facts, { maximumDuplicateShare }) =>
    datasetsOf(facts).map(({ name, repeats }) => {
      const share = repeats.rowCount === 0 ? 0 : repeats.repeatedCount / repeats.rowCount;
      const few = share <= maximumDuplicateShare;
      const sampled = repeats.share === 1 ? "" : ` (estimated from ${percent(repeats.share)} of them)`;
      const found = `${name}: ${percent(share)} of rows repeat another in every column${sampled}`;
      return {
        dataset: name,
        column: null,
        verdict: few ? "pass" : "fail",
        observed: share,
        allowed: `at most ${percent(maximumDuplicateShare)}`,
        message: few
          ? found
          : `${found}, at most ${percent(maximumDuplicateShare)} allowed; remove them, select a column that tells them apart, or raise checks.maximumDuplicateShare`,
      };
    }),
};
