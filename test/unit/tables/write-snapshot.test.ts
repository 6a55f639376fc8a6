import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeSnapshot, type SnapshotOptions } from "../../../adapters/tables/write-snapshot.ts";
import { readAll, rowsOf } from "./read-all.ts";

const scratch = mkdtempSync(join(tmpdir(), "snapshot-"));
const flights = Array.from({ length: 300 }, (_, row) => {
  const day = new Date(Date.UTC(2001, 0, 1 + (row % 60))).toISOString().slice(0, 10);
  return `${day} ${String(row % 24).padStart(2, "0")}:00:00,${(row * 7) % 40},${["SFO", "LAX", "", "JFK", "ORD"][Math.floor(row / 60)]}`;
});
const table = (name: string, rows: readonly string[]) => {
  const path = join(scratch, name);
  writeFileSync(path, `date,delay,origin\n${rows.join("\n")}\n`);
  return { path };
};
const source = table("flights.csv", flights);
const secret = join(scratch, "secret.txt");
writeFileSync(secret, "secret");

let outputs = 0;
const options = (changes: Partial<SnapshotOptions> = {}): SnapshotOptions => ({
  source,
  select: { hour: "date_part('hour', date)", origin: "origin", date: "date", late: "delay > 15" },
  time: "date",
  window: { from: "2001-01-10", to: "2001-01-20" },
  outputPath: join(scratch, `snapshot-${outputs++}.parquet`),
  ...changes,
});

describe("writeSnapshot", () => {
  it("writes the selected columns of the window's rows in the order of time", async () => {
    const settings = options();
    const description = await writeSnapshot(settings);
    expect(description).toEqual({
      columns: [
        { name: "hour", type: "number" },
        { name: "origin", type: "text" },
        { name: "date", type: "timestamp" },
        { name: "late", type: "boolean" },
      ],
      rowCount: 50,
      window: settings.window,
      timeRange: { from: "2001-01-10T09:00:00.000Z", to: "2001-01-19T18:00:00.000Z" },
    });
    const batches = await readAll({ path: settings.outputPath });
    const dates = rowsOf(batches, "date").map(Number);
    expect(dates).toEqual(dates.toSorted((one, two) => one - two));
    expect(dates.every((date) => date >= Date.UTC(2001, 0, 10) && date < Date.UTC(2001, 0, 20))).toBe(true);
    expect(rowsOf(batches, "origin")).toContain(null);
  });

  it("leaves the window's end to the next window", async () => {
    const at = "2001-01-19 18:00:00";
    const before = await writeSnapshot(options({ window: { from: "2001-01-10", to: at } }));
    const after = await writeSnapshot(options({ window: { from: at, to: "2001-01-20" } }));
    expect(before.timeRange?.to).not.toBe("2001-01-19T18:00:00.000Z");
    expect(after.timeRange?.from).toBe("2001-01-19T18:00:00.000Z");
    expect(before.rowCount + after.rowCount).toBe(50);
  });

  it("gives the same bytes whatever the order of the source's rows", async () => {
    const [one, two] = [options(), options({ source: table("reversed.csv", flights.toReversed()) })];
    await writeSnapshot(one);
    await writeSnapshot(two);
    expect(readFileSync(one.outputPath).equals(readFileSync(two.outputPath))).toBe(true);
  });

  it("takes every row without a window", async () => {
    expect(await writeSnapshot(options({ window: null }))).toMatchObject({ rowCount: 300, window: null });
  });

  const selecting = (hour: string) => options({ select: { ...options().select, hour } });
  it.each<[string, () => SnapshotOptions, string, RegExp]>([
    [
      "an unknown column",
      () => selecting("nope + 1"),
      "COLUMN_MISSING",
      /data\.select\.hour: column "nope".*found date, delay, origin/,
    ],
    ["a syntax error", () => selecting("1 +"), "INPUT_INVALID", /data\.select\.hour: `1 \+`/],
    ["an unknown function", () => selecting("foo(delay)"), "INPUT_INVALID", /foo does not exist/],
    ["an aggregate", () => selecting("count(*)"), "INPUT_INVALID", /cannot contain aggregates/],
    ["a look at other rows", () => selecting("lead(delay) OVER (ORDER BY date)"), "INPUT_INVALID", /window functions/],
    ["two values", () => selecting("1), (2"), "INPUT_INVALID", /data\.select\.hour/],
    ["chance", () => selecting("random()"), "INPUT_INVALID", /random\(\), which differs from run to run/],
    ["the clock", () => selecting("date_diff('day', date, now())"), "INPUT_INVALID", /now\(\)/],
    ["a failing cast", () => selecting("CAST(origin AS INTEGER)"), "INPUT_INVALID", /cannot convert.*try_cast/],
    ["a struct", () => selecting("{'a': delay}"), "COLUMN_TYPE", /STRUCT/],
    ["a time that is none", () => options({ time: "hour" }), "COLUMN_TYPE", /data\.time: column "hour" is number/],
    ["a time not selected", () => options({ time: "when" }), "COLUMN_MISSING", /data\.time: column "when"/],
    ["no columns", () => options({ select: {} }), "INPUT_INVALID", /name at least one/],
    [
      "an empty window",
      () => options({ window: { from: "2011-01-01", to: "2011-02-01" } }),
      "DATA_EMPTY",
      /2011-01-01 to/,
    ],
    [
      "a window backwards",
      () => options({ window: { from: "2001-02-01", to: "2001-01-01" } }),
      "INPUT_INVALID",
      /ends before/,
    ],
    [
      "a window of words",
      () => options({ window: { from: "spring", to: "fall" } }),
      "INPUT_INVALID",
      /window spring to fall/,
    ],
    ["a missing file", () => options({ source: { path: join(scratch, "none.csv") } }), "FILE_MISSING", /none\.csv/],
  ])("refuses %s, says where, and leaves no file", async (_, settings, code, message) => {
    const asked = settings();
    const writing = writeSnapshot(asked);
    await expect(writing).rejects.toMatchObject({ code });
    await expect(writing).rejects.toThrow(message);
    expect(readdirSync(scratch).filter((name) => join(scratch, name).startsWith(asked.outputPath))).toEqual([]);
  });

  it.each([
    ["read another file", `(SELECT content FROM read_text('${secret}'))`],
    ["list a folder", `(SELECT count(*) FROM glob('${scratch}/*'))`],
    ["write a file", `1) IS NULL; COPY (SELECT 1) TO '${scratch}/evil.csv'; SELECT (1`],
    ["reach the network", "(SELECT count(*) FROM read_csv('http://127.0.0.1:9/x.csv'))"],
    ["load an extension", "1) IS NULL; INSTALL httpfs; SELECT (1"],
    ["unlock the settings", "1) IS NULL; SET enable_external_access = true; SELECT (1"],
  ])("does not let an expression %s", async (_, expression) => {
    await expect(writeSnapshot(selecting(expression))).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(existsSync(join(scratch, "evil.csv"))).toBe(false);
  });

  it("replaces what a killed attempt left behind", async () => {
    const settings = options();
    writeFileSync(`${settings.outputPath}.partial`, "half");
    expect(await writeSnapshot(settings)).toMatchObject({ rowCount: 50 });
  });

  it("stops when aborted before it began", async () => {
    await expect(writeSnapshot(options({ signal: AbortSignal.abort(new Error("enough")) }))).rejects.toThrow("enough");
  });
});
