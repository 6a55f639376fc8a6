import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { snapshot, type SnapshotOutput } from "../../../adapters/compute/snapshot.ts";
import { validate } from "../../../adapters/compute/validate.ts";
import { copyTable } from "../../../adapters/tables/copy-table.ts";
import { dataChecksSchema, validationReportSchema } from "../../../contracts/data.ts";

/** Three million real flights, cut and judged as the example does. */
const flights = {
  path: fileURLToPath(new URL("../../../node_modules/vega-datasets/data/flights-3m.parquet", import.meta.url)),
};
const scratch = mkdtempSync(join(tmpdir(), "flights-"));
const select = {
  hour: "date_part('hour', date) + date_part('minute', date) / 60",
  weekday: "isodow(date)",
  distance: "distance",
  origin: "origin",
  destination: "destination",
  date: "date",
  late: "delay > 15",
};
const output = (name: string) => join(scratch, `${name}.parquet`);
const silent = { progress: () => undefined };
const cut = (name: string, from: string, to: string, progress: (share: number, note: string) => void) =>
  snapshot({ source: flights, select, time: "date", window: { from, to }, outputPath: output(name) }, { progress });
const checks = dataChecksSchema.parse({});

describe("real flights", () => {
  const progress: string[] = [];
  let training: SnapshotOutput;
  beforeAll(async () => {
    training = await cut("training", "2001-01-01", "2001-04-01", (share, note) => progress.push(`${share} ${note}`));
    await cut("evaluation", "2001-04-01", "2001-05-01", silent.progress);
  });

  it("are cut into a snapshot named by the bytes on the disk", () => {
    const bytes = readFileSync(output("training"));
    expect(training).toMatchObject({
      rowCount: 1_477_911,
      timeRange: { from: "2001-01-01T00:01:00.000Z", to: "2001-03-31T23:59:00.000Z" },
      digest: createHash("sha256").update(bytes).digest("hex"),
      sizeBytes: bytes.length,
    });
    expect(progress.at(-1)).toMatch(/^1 1477911 rows/);
  });

  it("pass validation with the default settings", async () => {
    const report = await validate(
      {
        training: { path: output("training") },
        evaluation: { path: output("evaluation") },
        label: "late",
        time: "date",
        checks,
      },
      silent,
    );
    expect(validationReportSchema.parse(report).verdict).toBe("pass");
    expect(report.datasets.map(({ rowCount }) => rowCount)).toEqual([1_477_911, 501_030]);
    const leaks = report.checks.filter(({ check }) => check === "label-leakage").map(({ column }) => column);
    expect(leaks).toEqual(["hour", "weekday", "distance", "origin", "destination"]);
  });

  it("with the label leaked into a feature are refused by label-leakage alone", async () => {
    // April is enough: alone, it is learned on one half and tried on the other.
    await copyTable({ path: output("evaluation") }, output("leaked"), {
      select: {
        ...Object.fromEntries(Object.keys(select).map((name) => [name, name])),
        taxi: "CASE WHEN late THEN 30 ELSE 5 END + distance % 7",
      },
    });
    const report = await validate(
      {
        training: { path: output("leaked") },
        evaluation: null,
        label: "late",
        time: "date",
        checks,
      },
      silent,
    );
    expect(report.verdict).toBe("fail");
    const failed = report.checks.filter(({ verdict }) => verdict !== "pass");
    expect(failed.map(({ check, column }) => [check, column])).toEqual([["label-leakage", "taxi"]]);
  });

  it("fail the job with the catalogued failure of a bad expression", async () => {
    const broken = { ...select, hour: "departure" };
    const window = { from: "2001-01-01", to: "2001-01-02" };
    await expect(
      snapshot({ source: flights, select: broken, time: "date", window, outputPath: output("broken") }, silent),
    ).rejects.toMatchObject({ code: "COLUMN_MISSING", fields: { where: "data.select.hour", column: "departure" } });
  });
});
