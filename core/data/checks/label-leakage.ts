import type { DataCheck } from "./data-check.ts";

/** Left out when there is no label. */
export const labelLeakageCheck: DataCheck = {
  name: "label-leakage",
  purpose: "A column predicts the label too well to be known before the outcome.",
  judge: ({ leaks }, { maximumSingleFeatureAuc }) =>
    leaks.map(({ column, auc, rowCount }) => {
      const place = { dataset: "both", column, allowed: `ROC AUC of at most ${maximumSingleFeatureAuc}` };
      if (auc === null) {
        const message = `"${column}" cannot be tried as a predictor: the rows to try it on (${rowCount}) are not of both classes; see class-balance and row-count`;
        return { ...place, verdict: "inconclusive", observed: null, message };
      }
      const found = `"${column}" alone predicts the label with ROC AUC ${auc.toFixed(3)} on ${rowCount} rows it was not learned on`;
      if (auc <= maximumSingleFeatureAuc) return { ...place, verdict: "pass", observed: auc, message: found };
      const message = `${found}, at most ${maximumSingleFeatureAuc} allowed; it likely is made from the outcome: take it out of the select, or raise checks.maximumSingleFeatureAuc`;
      return { ...place, verdict: "fail", observed: auc, message };
    }),
};
