import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copyTable } from "../../../adapters/tables/copy-table.ts";
import { describeTable } from "../../../adapters/tables/describe-table.ts";
import { readBatches } from "../../../adapters/tables/read-batches.ts";
import { createTextDictionary } from "../../../adapters/tables/text-dictionary.ts";
import { readAll, rowsOf } from "./read-all.ts";

const scratch = mkdtempSync(join(tmpdir(), "tables-"));
const file = (name: string, content: string | Buffer): { path: string } => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return { path };
};
const seed = file("seed.csv", "n\n1\n2\n3\n");

/** A Parquet file of one row an expression. */
async function parquet(name: string, select: Record<string, string>): Promise<{ path: string }> {
  const path = join(scratch, name);
  await copyTable(seed, path, { select });
  return { path };
}

describe("reading tables", () => {
  it("reads every numeric type as doubles, with NaN for null", async () => {
    const types = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE"];
    const select = Object.fromEntries(
      [...types, "DECIMAL(9, 2)"].map((type, at) => [`c${at}`, `CAST(nullif(n, 2) AS ${type})`]),
    );
    const source = await parquet("numbers.parquet", select);
    expect((await describeTable(source)).every(({ type }) => type === "number")).toBe(true);
    const batches = await readAll(source);
    for (const name of Object.keys(select)) expect(rowsOf(batches, name)).toEqual([1, null, 3]);
  });

  it("reads booleans as 0 and 1 and times as milliseconds since 1970, zoned ones as their instant", async () => {
    const source = await parquet("times.parquet", {
      flag: "CASE n WHEN 1 THEN true WHEN 2 THEN false END",
      day: "DATE '2001-01-01' + CAST(n AS INTEGER) - 1",
      moment: "CASE WHEN n > 1 THEN TIMESTAMP '1969-12-31 23:59:59.9995' END",
      zoned: "TIMESTAMPTZ '2001-01-01 01:00:00+01:00'",
      endless: "TIMESTAMP 'infinity'",
    });
    const batches = await readAll(source);
    expect(rowsOf(batches, "flag")).toEqual([1, 0, null]);
    expect(rowsOf(batches, "day")[1]).toBe(Date.UTC(2001, 0, 2));
    expect(rowsOf(batches, "moment")).toEqual([null, -0.5, -0.5]);
    expect(rowsOf(batches, "zoned")[0]).toBe(Date.UTC(2001, 0, 1));
    expect(rowsOf(batches, "endless")).toEqual([null, null, null]);
    const types = (await describeTable(source)).map(({ type }) => type);
    expect(types).toEqual(["boolean", "timestamp", "timestamp", "timestamp", "timestamp"]);
  });

  it("reads text and enums, long, empty and non-Latin words too", async () => {
    const word = "['', 'Zürich 東京 🛫', repeat('x', 40)][CAST(n AS INTEGER)]";
    const source = await parquet("words.parquet", {
      word,
      kind: "CAST('a' AS ENUM('a', 'b'))",
      none: "CAST(NULL AS VARCHAR)",
    });
    const batches = await readAll(source, { columns: ["none", "word", "kind"] });
    expect([...(batches[0]?.columns.keys() ?? [])]).toEqual(["none", "word", "kind"]);
    expect(rowsOf(batches, "word")).toEqual(["", "Zürich 東京 🛫", "x".repeat(40)]);
    expect(rowsOf(batches, "kind")).toEqual(["a", "a", "a"]);
    expect(rowsOf(batches, "none")).toEqual([null, null, null]);
  });

  it("reads nested lists and fixed arrays as tensors, nulls inside as NaN", async () => {
    const source = await parquet("tensors.parquet", {
      flat: "[n, NULL, n + 1]",
      fixed: "CAST([n, n] AS FLOAT[2])",
      deep: "[[n, 2], [3, 4], [5, n]]",
    });
    const batches = await readAll(source, { batchRows: 2 });
    expect(batches.map(({ rowCount }) => rowCount)).toEqual([2, 1]);
    expect(batches[0]?.columns.get("deep")).toMatchObject({ kind: "tensor", rowShape: [3, 2] });
    expect(rowsOf(batches, "deep")).toEqual([1, 2, 3].map((n) => [n, 2, 3, 4, 5, n]));
    expect(rowsOf(batches, "fixed")).toEqual([1, 2, 3].map((n) => [n, n]));
    expect(rowsOf(batches, "flat")[2]).toEqual([3, NaN, 4]);
  });

  it("reads CSV and JSON Lines as the same rows", async () => {
    const csv = file("t.csv", 'when,v,word\n2001-01-01 10:00:00,1.5,"a, b"\n2001-01-02 00:00:00,,c\n');
    const lines = file(
      "t.jsonl",
      '{"when":"2001-01-01 10:00:00","v":1.5,"word":"a, b"}\n{"when":"2001-01-02 00:00:00","word":"c","v":null}\n',
    );
    expect(await describeTable(csv)).toEqual(await describeTable(lines));
    for (const name of ["when", "v", "word"]) {
      expect(rowsOf(await readAll(csv), name)).toEqual(rowsOf(await readAll(lines), name));
    }
    const tensor = file("tensor.jsonl", '{"x":[[1,2],[3,4]]}\n{"x":[[5,6],[7,8.5]]}\n');
    expect(rowsOf(await readAll(tensor), "x")[1]).toEqual([5, 6, 7, 8.5]);
  });

  it("finds the type of a CSV column from all of its rows, not from the first ones", async () => {
    const source = file("late.csv", `v\n${"1\n".repeat(30_000)}late\n`);
    expect(await describeTable(source)).toEqual([{ name: "v", type: "text" }]);
    expect(rowsOf(await readAll(source), "v").at(-1)).toBe("late");
  });

  it("cuts batches of the asked size and gives every row once, in order", async () => {
    const rows = Array.from({ length: 10_000 }, (_, row) => row);
    const source = file("rows.csv", `v,w\n${rows.map((row) => `${row},w${row % 7}`).join("\n")}\n`);
    const batches = await readAll(source, { batchRows: 3000 });
    expect(batches.map(({ rowCount }) => rowCount)).toEqual([3000, 3000, 3000, 1000]);
    expect(rowsOf(batches, "v")).toEqual(rows);
    expect(rowsOf(batches, "w")).toEqual(rows.map((row) => `w${row % 7}`));
  });

  it("gives no batch for a table without rows, and takes no columns from folder names", async () => {
    expect(await readAll(file("empty.csv", "a,b\n"))).toEqual([]);
    const folder = mkdtempSync(join(scratch, "year=2001-"));
    for (const path of [join(folder, "it's [1]*.csv"), join(folder, "it's [1]*.parquet")]) {
      await copyTable(seed, path);
      expect(await describeTable({ path })).toEqual([{ name: "n", type: "number" }]);
    }
  });

  it("stops when aborted", async () => {
    const source = file("long.csv", `v\n${"1\n".repeat(20_000)}`);
    const controller = new AbortController();
    const batches = readBatches(source, { batchRows: 100, signal: controller.signal });
    await batches.next();
    controller.abort(new Error("enough"));
    // Batches already decoded may still come; the end is the abort, not the last row.
    const drain = async () => {
      for await (const batch of batches) expect(batch.rowCount).toBe(100);
    };
    await expect(drain()).rejects.toThrow("enough");
  });

  it.each<[string, () => { path: string; format?: "parquet" }, string, RegExp]>([
    ["a missing file", () => ({ path: join(scratch, "none.csv") }), "FILE_MISSING", /none\.csv: no such file/],
    ["a folder", () => ({ path: scratch }), "DATA_UNREADABLE", /a folder/],
    ["an unknown ending", () => file("x.xlsx", "x"), "DATA_UNREADABLE", /\.parquet, \.csv, \.jsonl, \.npz/],
    [
      "text named Parquet",
      () => file("x.parquet", "hello, world, hello"),
      "DATA_UNREADABLE",
      /x\.parquet: cannot be read/,
    ],
    ["broken JSON Lines", () => file("x.jsonl", '{"a":1}\n{"a":\n'), "DATA_UNREADABLE", /x\.jsonl/],
    [
      "a ragged list",
      () => file("r.jsonl", '{"x":[1,2]}\n{"x":[1]}\n'),
      "COLUMN_TYPE",
      /1 long.*2 numbers in every row/,
    ],
    ["a null among lists", () => file("l.jsonl", '{"x":[1,2]}\n{"x":null}\n'), "COLUMN_TYPE", /null in a row/],
    ["an object", () => file("o.jsonl", '{"x":{"a":1}}\n'), "COLUMN_TYPE", /STRUCT.*allowed numbers/],
    ["a column it lacks", () => seed, "COLUMN_MISSING", /"nope" is missing; found n/],
  ])("refuses %s and says what is allowed", async (_, source, code, message) => {
    const columns = code === "COLUMN_MISSING" ? { columns: ["nope"] } : {};
    const reading = readAll(source(), columns);
    await expect(reading).rejects.toMatchObject({ code });
    await expect(reading).rejects.toThrow(message);
  });

  it("refuses a Parquet file that is cut off or damaged inside", async () => {
    const rows = Array.from({ length: 20_000 }, (_, row) => createHash("md5").update(`${row}`).digest("hex"));
    const whole = join(scratch, "whole.parquet");
    await copyTable(file("hashes.csv", `v\n${rows.join("\n")}\n`), whole);
    const bytes = readFileSync(whole);
    await expect(readAll(file("cut.parquet", bytes.subarray(0, 20_000)))).rejects.toMatchObject({
      code: "DATA_UNREADABLE",
    });
    await expect(readAll(file("damaged.parquet", Buffer.from(bytes).fill(7, 4, 100)))).rejects.toMatchObject({
      code: "DATA_UNREADABLE",
    });
  });

  it("reads past a column of a foreign type that nobody asked for", async () => {
    const source = file("mixed.jsonl", '{"x":{"a":1},"y":2}\n');
    expect(rowsOf(await readAll(source, { columns: ["y"] }), "y")).toEqual([2]);
  });
});

describe("createTextDictionary", () => {
  it("shares one array while no new words come, and never changes one it gave", () => {
    const dictionary = createTextDictionary();
    expect(["a", "b", null, "a"].map(dictionary.codeOf)).toEqual([0, 1, -1, 0]);
    const first = dictionary.take();
    dictionary.codeOf("b");
    expect(dictionary.take()).toBe(first);
    dictionary.codeOf("c");
    expect(dictionary.take()).toEqual(["a", "b", "c"]);
    expect(first).toEqual(["a", "b"]);
  });
  it("starts over past its bound, so that ids do not fill the memory", () => {
    const dictionary = createTextDictionary();
    for (let id = 0; id < 70_000; id++) dictionary.codeOf(`id${id}`);
    expect(dictionary.take()).toHaveLength(70_000);
    expect(dictionary.codeOf("new")).toBe(0);
    expect(dictionary.take()).toEqual(["new"]);
  });
});
