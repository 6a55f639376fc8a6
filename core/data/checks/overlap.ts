import { percent, type DataCheck } from "./data-check.ts";

/** Left out when there is one dataset only. */
export const overlapCheck: DataCheck = {
  name: "overlap",
  purpose: "Evaluation rows stand in the training data too: the model would be examined on what it was told.",
  judge({ evaluation, overlap }, { maximumOverlapShare }) {
    if (evaluation === null || overlap === null) return [];
    const { askedCount, foundCount } = overlap;
    const allowed = `at most ${percent(maximumOverlapShare)}`;
    const place = { dataset: "both", column: null, allowed };
    if (askedCount === 0) {
      const message = "evaluation: no row could be looked up in the training data; check that it has rows";
      return [{ ...place, verdict: "inconclusive", observed: null, message }];
    }
    const share = foundCount / askedCount;
    const sampled =
      askedCount === evaluation.rowCount
        ? ""
        : ` (estimated from ${percent(askedCount / evaluation.rowCount)} of them)`;
    const found = `evaluation: ${percent(share)} of rows also stand in the training data${sampled}`;
    const few = share <= maximumOverlapShare;
    const message = few
      ? found
      : `${found}, ${allowed} allowed; cut the windows apart, or select a column that tells the rows apart`;
    return [{ ...place, verdict: few ? "pass" : "fail", observed: share, message }];
  },
};
