import { datasetsOf, percent, type DataCheck } from "./data-check.ts";

/** Left out when there is no label. */
export const classBalanceCheck: DataCheck = {
  name: "class-balance",
  purpose: "One class of the label is so rare that it can be neither learned nor judged.",
  judge: (facts, { minimumClassShare }) =>
    datasetsOf(facts).flatMap(({ name, labels }) => {
      if (labels === null) return [];
      const { negativeCount, positiveCount } = labels;
      const labelled = negativeCount + positiveCount;
      const share = labelled === 0 ? 0 : Math.min(negativeCount, positiveCount) / labelled;
      // Both classes must occur even where the smallest share is set to 0: without one there is nothing to tell apart.
      const balanced = share >= minimumClassShare && share > 0;
      const rarer = positiveCount <= negativeCount ? "positive" : "negative";
      const found = `${name}: the ${rarer} class is ${percent(share)} of ${labelled} labelled rows`;
      return [
        {
          dataset: name,
          column: facts.label,
          verdict: balanced ? ("pass" as const) : ("fail" as const),
          observed: share,
          allowed: `at least ${percent(minimumClassShare)} and both classes`,
          message: balanced
            ? found
            : `${found}, at least ${percent(minimumClassShare)} wanted; widen the window, or lower checks.minimumClassShare`,
        },
      ];
    }),
};
