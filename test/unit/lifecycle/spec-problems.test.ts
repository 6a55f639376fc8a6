import { describe, expect, it } from "vitest";
import { loadSpec, parseSpec } from "../../../client/spec.ts";
import { cronProblem } from "../../../core/lifecycle/cron.ts";
import { specFor } from "../../database/sample.ts";

const where = { path: "life.yaml", directory: "/data" };
const problemsOf = (spec: unknown): string[] => {
  try {
    parseSpec(spec, where);
    return [];
  } catch (thrown) {
    return (thrown as Error).message.split("\n").slice(1);
  }
};

describe("a spec that could never come to its end", () => {
  const { data, evaluation, deployment, ...rest } = specFor("flights");

  it("is refused before anything runs, with every reason and its path", () => {
    const wrong = {
      ...rest,
      data: { ...data, checks: { ...data.checks, ranges: { hour: [0, 23] } } },
      evaluation: {
        ...evaluation,
        gates: [
          { metric: "roc-auc", atLeast: 64 },
          { metric: "log-loss", atMost: 0.6, rows: "every-slice" },
        ],
      },
      monitoring: { schedule: "every night", drift: { columns: ["distance", "origin"] } },
    };
    expect(problemsOf(wrong)).toEqual([
      '  data.checks.ranges.hour: "hour" is not in data.select, which has date, distance, late',
      '  monitoring.drift.columns.1: "origin" is not in data.select, which has date, distance, late',
      "  evaluation.gates.0: roc-auc lies between 0 and 1, found 64",
      "  evaluation.gates.1: rows: every-slice needs evaluation.slices to name columns",
      expect.stringMatching(/^ {2}monitoring.schedule: 2 fields where five belong; write minute, hour/),
      "  monitoring: only what is deployed is watched; add deployment.endpoint",
    ]);
    const slices = { ...evaluation, slices: ["origin"] };
    expect(problemsOf({ ...rest, data, evaluation: slices })).toHaveLength(1);
  });

  it("may not be a folder", async () => {
    await expect(loadSpec(".")).rejects.toThrow(".: this is a folder, the lifecycle spec is one file; name the file");
  });

  it("is not one that watches the model's own score, slices by what it selects and leaves its numbers at their bounds", () => {
    const sound = {
      ...rest,
      data,
      deployment,
      evaluation: {
        gates: [
          { metric: "roc-auc", atLeast: 1, rows: "every-slice" },
          { metric: "log-loss", atMost: 0 },
        ],
        slices: ["distance"],
      },
      monitoring: { drift: { columns: ["(score)", "distance"] } },
    };
    expect(problemsOf(sound)).toEqual([]);
  });
});

describe("a schedule", () => {
  it.each(["0 3 * * *", "*/15 0-6,22 1 jan,JUL mon-fri", "5 4 1-31/2 * 7", "* * * * *"])("may be %s", (cron) => {
    expect(cronProblem(cron)).toBeNull();
  });

  it.each([
    ["", "1 field where five belong"],
    ["@daily", "1 field where five belong"],
    ["0 0 3 * * *", "6 fields where five belong"],
    ["60 3 * * *", '"60" is no minute'],
    ["0 3-1 * * *", '"3-1" is no hour'],
    ["0 3 0 * *", '"0" is no day of month'],
    ["0 3 * 13 *", '"13" is no month'],
    ["0 3 * * mon,", '"mon," is no day of week'],
    ["*/0 3 * * *", '"*/0" is no minute'],
    ["0 *-5 * * *", '"*-5" is no hour'],
  ])("may not be %j", (cron, problem) => {
    expect(cronProblem(cron)).toBe(problem);
  });
});
