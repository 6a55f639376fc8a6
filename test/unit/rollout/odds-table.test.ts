import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { LOOKS, SETTINGS, simulateSetting, type Setting } from "../../../bench/rollout-simulation.ts";
import { describeSetting, renderRows, renderTable, withTable } from "../../../bench/rollout-table.ts";

const RUNS = 60;
const page = await readFile(new URL("../../../docs/rollouts.md", import.meta.url), "utf8");
/** Cells of the committed rows, ours first in each setting. */
const committed = page
  .split("\n")
  .filter((line) => line.includes("/min,") && line.includes("| Modelwright |"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

const busy: Setting = { requestsPerMinute: 600, steps: [100, 500, 2500, 5000] };

describe("the table of a rollout's odds", () => {
  it("has a row of ours for every setting, with at most 5 % false rollbacks and 5 % false promotions", () => {
    expect(committed.map(([, setting]) => setting)).toEqual(SETTINGS.map(describeSetting));
    for (const [, , , healthy, , , , atMargin] of committed) {
      expect(Number.parseFloat(healthy ?? "")).toBeLessThanOrEqual(5);
      expect(Number.parseFloat(atMargin ?? "")).toBeLessThanOrEqual(5);
    }
  });

  it("comes from a simulation that a smaller run agrees with, in which the other judges roll healthy canaries back", () => {
    const [ours, mixture, repeated, fixed] = simulateSetting(busy, RUNS);
    if (!ours || !mixture || !repeated || !fixed) throw new Error("four judges are compared");
    expect(ours.falseRollback).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / RUNS));
    expect(ours.falsePromotion).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / RUNS));
    expect(repeated.falseRollback).toBeGreaterThan(0.5);
    expect(fixed.falseRollback).toBeGreaterThan(0.5);
    // No later than the mixture that knows no direction.
    for (const [index, { medianLook }] of ours.detection.entries()) {
      expect(medianLook ?? LOOKS).toBeLessThanOrEqual(mixture.detection[index]?.medianLook ?? LOOKS);
    }
  });

  it("is the same for the same number of runs, and stands where the page says", () => {
    const small = { requestsPerMinute: 60, steps: [5000] };
    const rows = renderRows(small, simulateSetting(small, 5));
    expect(renderRows(small, simulateSetting(small, 5))).toEqual(rows);
    expect(withTable(page, renderTable(rows))).toContain("| 60/min, 50 % | Modelwright |");
    expect(() => withTable("no place", "")).toThrow("place of its table");
  });
});
