import { describe, expect, it } from "vitest";
import {
  checkResultSchema,
  dataChecksSchema,
  validationReportSchema,
  type ColumnSummary,
} from "../../../contracts/data.ts";
import { DATA_CHECKS, type DataCheckName } from "../../../contracts/names.ts";
import type { DataFacts } from "../../../core/data/checks/data-check.ts";
import { DATA_CHECK_REGISTRY } from "../../../core/data/checks/registry.ts";
import type { DatasetFacts } from "../../../core/data/dataset-profile.ts";
import { judgeData } from "../../../core/data/judge-data.ts";

const settings = dataChecksSchema.parse({ ranges: { distance: [0, 6000] } });
const day = 86_400_000;

const column = (name: string, type: ColumnSummary["type"], values: Partial<ColumnSummary> = {}): ColumnSummary => ({
  name,
  type,
  rowCount: 2000,
  nullCount: 0,
  minimum: 0,
  maximum: 1,
  mean: 0.5,
  deviation: 0.5,
  distinctCount: 2,
  ...values,
});
const dataset = (name: string, from: number, changes: Partial<DatasetFacts> = {}): DatasetFacts => ({
  name,
  rowCount: 2000,
  columns: [
    column("date", "timestamp", { minimum: from, maximum: from + 9 * day }),
    column("distance", "number", { minimum: 21, maximum: 4962 }),
    column("late", "boolean"),
  ],
  labels: { negativeCount: 1600, positiveCount: 400, nullCount: 0, otherCount: 0 },
  repeats: { rowCount: 2000, repeatedCount: 4, share: 1 },
  ...changes,
});

const training = dataset("training", 0);
const evaluation = dataset("evaluation", 10 * day);
const healthy: DataFacts = {
  training,
  evaluation,
  label: "late",
  time: "date",
  overlap: { askedCount: 2000, foundCount: 3 },
  leaks: [{ column: "distance", auc: 0.55, rowCount: 2000 }],
};
/** The healthy facts with one column of the evaluation data changed. */
const withColumn = (name: string, changes: Partial<ColumnSummary>): DataFacts => ({
  ...healthy,
  evaluation: {
    ...evaluation,
    columns: evaluation.columns.map((own) => (own.name === name ? { ...own, ...changes } : own)),
  },
});
const withEvaluation = (changes: Partial<DatasetFacts>): DataFacts => ({
  ...healthy,
  evaluation: { ...evaluation, ...changes },
});

/** For each check one dataset it must refuse, and what it must say. */
const refused: Record<DataCheckName, readonly [DataFacts, RegExp][]> = {
  schema: [
    [withEvaluation({ columns: evaluation.columns.slice(1) }), /"date" is missing/],
    [withColumn("distance", { type: "text" }), /"distance" is text, number in the training data/],
    [withColumn("date", { type: "text" }), /not a timestamp/],
    [withEvaluation({ columns: [...evaluation.columns, column("extra", "text")] }), /"extra" is not in the training/],
    [withEvaluation({ labels: { negativeCount: 1, positiveCount: 1, nullCount: 7, otherCount: 0 } }), /null in 7 rows/],
    [
      withEvaluation({ labels: { negativeCount: 1, positiveCount: 1, nullCount: 0, otherCount: 5 } }),
      /neither 0 nor 1/,
    ],
  ],
  "row-count": [[withEvaluation({ rowCount: 999 }), /999 rows, at least 1000/]],
  nulls: [[withColumn("distance", { nullCount: 101 }), /5\.05 % of rows, at most 5 %/]],
  ranges: [
    [withColumn("distance", { maximum: 9000 }), /goes up to 9000, 0 to 6000 allowed/],
    [withColumn("distance", { minimum: -1 }), /goes down to -1/],
    [withColumn("distance", { name: "other" }), /"distance" is missing/],
    [withColumn("distance", { minimum: null, maximum: null }), /has no values/],
  ],
  duplicates: [
    [
      withEvaluation({ repeats: { rowCount: 500, repeatedCount: 50, share: 0.25 } }),
      /10 % of rows.*estimated from 25 %/,
    ],
  ],
  overlap: [[{ ...healthy, overlap: { askedCount: 2000, foundCount: 30 } }, /1\.5 % of rows/]],
  "class-balance": [
    [
      withEvaluation({ labels: { negativeCount: 1990, positiveCount: 10, nullCount: 0, otherCount: 0 } }),
      /positive class is 0\.5 %/,
    ],
    [
      withEvaluation({ labels: { negativeCount: 0, positiveCount: 0, nullCount: 0, otherCount: 9 } }),
      /0 labelled rows/,
    ],
  ],
  "time-order": [
    [{ ...healthy, evaluation: dataset("evaluation", 9 * day) }, /before training ends/],
    [{ ...healthy, evaluation: dataset("evaluation", 5 * day) }, /4 days before/],
  ],
  "label-leakage": [[{ ...healthy, leaks: [{ column: "delay", auc: 0.99, rowCount: 2000 }] }, /"delay" alone.*0\.990/]],
};

describe("data checks", () => {
  it("has a check for every name, under that name", () => {
    expect(Object.entries(DATA_CHECK_REGISTRY).map(([name, check]) => [name, check.name])).toEqual(
      DATA_CHECKS.map((name) => [name, name]),
    );
  });

  it.each(DATA_CHECKS)("%s says its purpose and passes healthy data with results the contract accepts", (name) => {
    const check = DATA_CHECK_REGISTRY[name];
    expect(check.purpose).toMatch(/^[A-Z].*\.$/);
    const results = check.judge(healthy, settings);
    expect(results.length).toBeGreaterThan(0);
    for (const result of results) expect(checkResultSchema.parse({ check: name, ...result }).verdict).toBe("pass");
  });

  it.each(DATA_CHECKS.flatMap((name) => refused[name].map(([facts, message]) => [name, message, facts] as const)))(
    "%s refuses: %s",
    (name, message, facts) => {
      const failed = DATA_CHECK_REGISTRY[name].judge(facts, settings).filter(({ verdict }) => verdict === "fail");
      expect(failed).toHaveLength(1);
      expect(failed[0]?.message).toMatch(message);
      // What was found is followed by the way out.
      expect(failed[0]?.message).toMatch(/; /);
    },
  );

  it.each(DATA_CHECKS)("%s judges one dataset without comparing", (name) => {
    const alone: DataFacts = { ...healthy, evaluation: null, overlap: null };
    const results = DATA_CHECK_REGISTRY[name].judge(alone, settings);
    expect(results.every(({ verdict }) => verdict === "pass")).toBe(true);
    expect(results.some(({ dataset }) => dataset === "evaluation")).toBe(false);
    expect(results.length === 0).toBe(name === "overlap" || name === "time-order");
  });
});

describe("class-balance", () => {
  it("wants both classes even where the smallest share is set to 0", () => {
    const labels = { negativeCount: 2000, positiveCount: 0, nullCount: 0, otherCount: 0 };
    const results = DATA_CHECK_REGISTRY["class-balance"].judge(withEvaluation({ labels }), {
      ...settings,
      minimumClassShare: 0,
    });
    expect(results.map(({ verdict }) => verdict)).toEqual(["pass", "fail"]);
  });
});

describe("judgeData", () => {
  it("passes healthy data with a report the contract accepts", () => {
    const report = judgeData(healthy, settings);
    expect(validationReportSchema.parse(report)).toEqual(report);
    expect(report).toMatchObject({ verdict: "pass", executedCount: report.checks.length });
  });
  it("fails when one result fails, and keeps all the others", () => {
    const report = judgeData(withColumn("distance", { maximum: 9000 }), settings);
    expect(report.verdict).toBe("fail");
    expect(report.checks.filter(({ verdict }) => verdict === "fail")).toHaveLength(1);
    expect(report.checks).toHaveLength(judgeData(healthy, settings).checks.length);
  });
  it("is inconclusive when something could not be measured and nothing failed", () => {
    const report = judgeData({ ...healthy, leaks: [{ column: "distance", auc: null, rowCount: 0 }] }, settings);
    expect(report.verdict).toBe("inconclusive");
  });
  it("fails when no check was executed", () => {
    expect(judgeData(healthy, settings, [])).toMatchObject({ verdict: "fail", executedCount: 0 });
  });
});
