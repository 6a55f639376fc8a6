import { describe, expect, it } from "vitest";
import { driftReportSchema, driftSettingsSchema } from "../../../contracts/drift.ts";
import { isFailure } from "../../../contracts/failures.ts";
import { DRIFT_TESTS } from "../../../contracts/names.ts";
import { judgeDrift } from "../../../core/drift/judge-drift.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { batch, countInto, digest, numbers, profileOf, text, watchedWorld, world } from "./columns.ts";

const reference = profileOf(watchedWorld, [world(createRandom(1), 60_000)]);
const settings = driftSettingsSchema.parse({});
const everyTest = driftSettingsSchema.parse({ tests: [...DRIFT_TESTS] });

function judge(rows: ReturnType<typeof world>, of = settings, profile = reference) {
  const counted = countInto(profile.columns, [rows]);
  return judgeDrift({
    profile,
    window: { data: digest("b"), rowCount: counted.rowCount, counts: counted.columns },
    settings: of,
  });
}

const resultsOf = (report: ReturnType<typeof judge>, column: string, test: string) =>
  report.results.find((one) => one.column === column && one.test === test);

describe("judging drift", () => {
  it.each([200, 1000, 5000])("raises at most one false alarm in 150 stable windows of %i rows", (rows) => {
    // At one false alarm in 365 checks, 150 windows with bounds this honest leave at most one; these bounds are conservative.
    let alarms = 0;
    for (let seed = 1; seed <= 150; seed += 1) {
      if (judge(world(createRandom(rows * 1000 + seed), rows), everyTest).verdict === "drifted") alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(1);
  });

  it("keeps the budget when it is tight and margins are 0, where any error of the bounds would show", () => {
    const strict = driftSettingsSchema.parse({
      tests: [...DRIFT_TESTS],
      checksPerFalseAlarm: 10,
      margins: Object.fromEntries(DRIFT_TESTS.map((name) => [name, 0])),
    });
    let alarms = 0;
    for (let seed = 1; seed <= 150; seed += 1) {
      if (judge(world(createRandom(seed), 1000), strict).verdict === "drifted") alarms += 1;
    }
    expect(alarms / 150).toBeLessThanOrEqual(0.1);
  });

  it("proves a stable window stable when it is large enough, and says insufficient when it is not", () => {
    expect(judge(world(createRandom(2), 20_000)).verdict).toBe("stable");
    const small = judge(world(createRandom(2), 300));
    expect(small.verdict).toBe("insufficient");
    expect(small.results.every(({ detectable, margin }) => detectable > margin)).toBe(true);
  });

  it.each([
    ["a shifted number", { shift: 0.6 }, "fare", "kolmogorov-smirnov"],
    ["a shifted number", { shift: 0.8 }, "fare", "jensen-shannon"],
    ["nulls that appear", { nulls: 0.2 }, "fare", "null-rate"],
    ["new categories", { fresh: 0.2 }, "airport", "new-category-rate"],
    ["new categories", { fresh: 0.3 }, "airport", "jensen-shannon"],
    ["a shifted number", { shift: 1 }, "fare", "population-stability-index"],
  ] as const)("finds %s (%o) in column %s by %s, and blames no other column", (_, change, column, test) => {
    const report = judge(world(createRandom(4), 5000, change), everyTest);
    expect(report).toMatchObject({ verdict: "drifted", driftedColumns: [column] });
    expect(resultsOf(report, column, test)?.verdict).toBe("drifted");
  });

  it("finds nulls that vanish: somebody filled them in", () => {
    const nullish = profileOf(
      [{ column: "x", kind: "number" }],
      [batch({ x: numbers(Array.from({ length: 5000 }, (_, row) => (row % 4 === 0 ? Number.NaN : row % 50))) })],
    );
    const filled = batch({ x: numbers(Array.from({ length: 5000 }, (_, row) => row % 50)) });
    expect(resultsOf(judge(filled, settings, nullish), "x", "null-rate")?.verdict).toBe("drifted");
  });

  it("does not change its verdict for one absurd value", () => {
    const rows = world(createRandom(6), 20_000);
    const fares = rows.columns.get("fare");
    if (fares?.kind === "number") fares.values[0] = 1e12;
    expect(judge(rows).verdict).toBe("stable");
  });

  it("holds back below the minimum of rows", () => {
    const few = judge(world(createRandom(7), 199, { shift: 5 }));
    expect(few.verdict).toBe("insufficient");
    expect(judge(world(createRandom(7), 200, { shift: 5 })).verdict).toBe("drifted");
  });

  it("divides the error budget by all results", () => {
    const report = judge(world(createRandom(8), 500));
    expect(report.results.length).toBe(9);
    expect(report.results.map(({ method }) => method["alpha"])).toEqual(report.results.map(() => 1 / 365 / 9));
  });

  it("uses the margins it is given", () => {
    const rows = world(createRandom(9), 20_000, { shift: 0.2 });
    const of = (margin: number) =>
      judge(rows, { ...settings, columns: ["fare"], margins: { "kolmogorov-smirnov": margin } });
    expect(resultsOf(of(0.02), "fare", "kolmogorov-smirnov")?.verdict).toBe("drifted");
    expect(resultsOf(of(0.2), "fare", "kolmogorov-smirnov")?.verdict).toBe("stable");
  });

  it("says of a column without values that there is no effect, and still finds its nulls", () => {
    const rows = batch({
      fare: numbers(Array.from({ length: 500 }, () => Number.NaN)),
      weekday: numbers(Array.from({ length: 500 }, (_, row) => 1 + (row % 7))),
      airport: text(Array.from({ length: 500 }, () => null)),
    });
    const report = judge(rows);
    expect(resultsOf(report, "fare", "null-rate")?.verdict).toBe("drifted");
    expect(resultsOf(report, "fare", "kolmogorov-smirnov")).toMatchObject({
      verdict: "insufficient",
      interval: [0, 1],
      method: { undefined: "the window has no rows with a value in this column" },
    });
  });

  it("is insufficient without rows and without results", () => {
    const empty = judge(world(createRandom(1), 0));
    expect(empty).toMatchObject({ verdict: "insufficient", rowCount: 0 });
    const nothing = judge(
      world(createRandom(1), 5000),
      driftSettingsSchema.parse({ columns: ["fare"], tests: ["new-category-rate"] }),
    );
    expect(nothing).toMatchObject({ verdict: "insufficient", results: [] });
  });

  it("refuses to watch a column that was not counted", () => {
    expect(() => judge(world(createRandom(1), 500), { ...settings, columns: ["fare", "gone"] })).toThrow(
      expect.toSatisfy((thrown) => isFailure(thrown) && thrown.code === "COLUMN_MISSING"),
    );
  });

  it("writes a report from whose counts the same verdict is recomputed", () => {
    const report = judge(world(createRandom(10), 3000, { shift: 0.3 }), everyTest);
    const parsed = driftReportSchema.parse(JSON.parse(JSON.stringify(report)));
    expect(parsed).toEqual(report);
    const again = judgeDrift({
      profile: reference,
      window: { data: parsed.current, rowCount: parsed.rowCount, counts: parsed.counts },
      settings: parsed.settings,
    });
    expect(again).toEqual(report);
  });
});
