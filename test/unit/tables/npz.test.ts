import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { describeTable } from "../../../adapters/tables/describe-table.ts";
import { readBatches } from "../../../adapters/tables/read-batches.ts";
import { writeSnapshot } from "../../../adapters/tables/write-snapshot.ts";
import { readAll, rowsOf } from "./read-all.ts";

const folder = fileURLToPath(new URL("../../fixtures/data/", import.meta.url));
const oracle = JSON.parse(readFileSync(join(folder, "arrays.json"), "utf8")) as {
  columns: Record<string, (number | string | boolean | null)[]>;
};
const scratch = mkdtempSync(join(tmpdir(), "npz-"));

/** A copy of the fixture with some bytes changed. */
function damaged(name: string, change: (bytes: Buffer) => Buffer): { path: string } {
  const path = join(scratch, name);
  writeFileSync(path, change(readFileSync(join(folder, "arrays-deflated.npz"))));
  return { path };
}

describe("npz", () => {
  it.each(["arrays.npz", "arrays-deflated.npz"])(
    "%s reads as numpy wrote it, whatever the batch size",
    async (name) => {
      for (const batchRows of [1, 3, 100]) {
        const batches = await readAll({ path: join(folder, name) }, { batchRows });
        expect(batches.every((batch) => batch.rowCount <= batchRows)).toBe(true);
        for (const [column, expected] of Object.entries(oracle.columns)) {
          const found = rowsOf(batches, column).flat();
          expect(found).toEqual(expected.map((value) => (typeof value === "boolean" ? Number(value) : value)));
        }
      }
    },
  );

  it("describes booleans, numbers, text and tensors", async () => {
    const columns = ["flag", "u8", "word", "image"];
    const described = await describeTable({ path: join(folder, "arrays.npz") }, { columns });
    expect(described.map(({ type }) => type)).toEqual(["boolean", "number", "text", "tensor"]);
  });

  it.each([
    ["refused-fortran.npz", /Fortran order.*C order/],
    ["refused-bigendian.npz", /type 'descr': '>f4'.*little-endian/],
    ["refused-lengths.npz", /"a" has 3 rows, "b" 4/],
    ["refused-scalar.npz", /a single value.*row axis/],
  ])("%s is refused and says why", async (name, reason) => {
    await expect(describeTable({ path: join(folder, name) })).rejects.toThrow(reason);
  });

  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ["truncated", (bytes) => bytes.subarray(0, bytes.length - 40), /not a zip archive/],
    ["text", () => Buffer.from("col\n1\n"), /not a zip archive/],
    ["flipped", flipContent, /checksum|inflated|npy array|header|says|ends early|longer/],
    ["bomb", claimHugeSize, /says 4294967294 bytes but stores/],
  ])("a %s file is refused instead of being read wrong", async (name, change, reason) => {
    await expect(readAll(damaged(`${name}.npz`, change))).rejects.toThrow(reason);
  });

  it("refuses a shape that the bytes do not fill", async () => {
    const path = join(scratch, "shape.npz");
    const bytes = readFileSync(join(folder, "arrays.npz"));
    const at = bytes.indexOf("'shape': (7,)");
    bytes.write("'shape': (9,)", at);
    writeFileSync(path, bytes);
    await expect(describeTable({ path })).rejects.toThrow(/says 9 rows/);
  });

  it("reads only the columns asked for and names those it lacks", async () => {
    const batches = await readAll({ path: join(folder, "arrays.npz") }, { columns: ["i4", "word"] });
    expect([...(batches[0]?.columns.keys() ?? [])]).toEqual(["i4", "word"]);
    await expect(readAll({ path: join(folder, "arrays.npz") }, { columns: ["nope"] })).rejects.toMatchObject({
      code: "COLUMN_MISSING",
    });
  });

  it("is a source of snapshots like any other: SQL selects from its arrays, tensors stay tensors", async () => {
    const source = { path: join(folder, "arrays.npz") };
    const outputPath = join(scratch, "snapshot.parquet");
    const at = "TIMESTAMP '2001-01-01' + to_seconds(CAST(u1 AS BIGINT))";
    const take = (select: Record<string, string>) =>
      writeSnapshot({ source, select, time: "at", window: null, outputPath });
    await expect(take({ at, nothing: "no_such_array" })).rejects.toMatchObject({ code: "COLUMN_MISSING" });

    const { rowCount } = await take({ at, word: "word", image: "image", twice: "f8 * 2" });
    const whole = await readAll(source, { columns: ["word", "image", "f8"] });
    const written = await readAll({ path: outputPath });
    expect(rowCount).toBe(7);
    // In the order of time, so compared as a set.
    const rows = (columns: (readonly unknown[])[]) =>
      Array.from({ length: rowCount }, (_, row) => JSON.stringify(columns.map((column) => column[row]))).toSorted();
    const twice = rowsOf(whole, "f8").map((value) => (typeof value === "number" ? value * 2 : value));
    expect(rows([rowsOf(written, "word"), rowsOf(written, "image"), rowsOf(written, "twice")])).toEqual(
      rows([rowsOf(whole, "word"), rowsOf(whole, "image"), twice]),
    );
    expect(readdirSync(scratch).filter((name) => name.includes("staged"))).toEqual([]);
  });

  it("stops when aborted", async () => {
    const controller = new AbortController();
    const batches = readBatches({ path: join(folder, "arrays.npz") }, { batchRows: 1, signal: controller.signal });
    await batches.next();
    controller.abort(new Error("enough"));
    await expect(batches.next()).rejects.toThrow("enough");
  });
});

function flipContent(bytes: Buffer): Buffer {
  // The middle of the last member's compressed bytes, just before the central directory.
  const directory = bytes.readUInt32LE(bytes.length - 6);
  const changed = Buffer.from(bytes);
  changed[directory - 8] = (changed[directory - 8] ?? 0) ^ 0xff;
  return changed;
}

function claimHugeSize(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt32LE(0xfffffffe, bytes.readUInt32LE(bytes.length - 6) + 24);
  return changed;
}
