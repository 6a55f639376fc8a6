import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sampleBatches, sampleRows } from "../../../adapters/inference/sample-rows.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-sample-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Row numbers sampled from a file that holds its own row numbers. */
async function sampled(rowCount: number, wanted: number): Promise<number[]> {
  const path = join(directory, `${rowCount}.csv`);
  await writeFile(path, `row,word\n${Array.from({ length: rowCount }, (_, row) => `${row},w${row % 5}`).join("\n")}\n`);
  const batches = await sampleRows({ path }, ["row", "word"], wanted);
  return batches.flatMap((batch) => {
    const rows = batch.columns.get("row");
    const words = batch.columns.get("word");
    if (rows?.kind !== "number" || words?.kind !== "text") throw new Error("columns changed their kind");
    return Array.from(rows.values, (row, index) => {
      expect(words.dictionary[words.codes[index]!]).toBe(`w${row % 5}`);
      return row;
    });
  });
}

describe("sampleBatches", () => {
  it("keeps an even step across batches of any length", async () => {
    async function* batches() {
      let next = 0;
      for (const rowCount of [7, 1, 0, 13, 30, 5, 101, 3]) {
        const values = Float64Array.from({ length: rowCount }, () => next++);
        yield { rowCount, columns: new Map([["row", { kind: "number" as const, values }]]) };
      }
    }
    const kept = await sampleBatches(batches(), 20);
    const rows = kept.flatMap((batch) => {
      const column = batch.columns.get("row");
      return column?.kind === "number" ? Array.from(column.values) : [];
    });
    // 160 rows at every fourth are 40, the most that may be held; every second of them stays.
    expect(rows).toEqual(Array.from({ length: 20 }, (_, index) => 4 + 8 * index));
  });
});

describe("sampleRows", () => {
  it("takes every row of a smaller file and all of one exactly as long", async () => {
    expect(await sampled(7, 10)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(await sampled(10, 10)).toHaveLength(10);
  });
  it.each([
    [1000, 10],
    [150_000, 100],
    [70_001, 64],
  ])("spreads over %d rows when asked for %d, in order, each with its own values", async (rowCount, wanted) => {
    const rows = await sampled(rowCount, wanted);
    expect(rows).toHaveLength(wanted);
    const gaps = rows.slice(1).map((row, index) => row - rows[index]!);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
    expect(Math.max(...gaps)).toBeLessThan((3 * rowCount) / wanted);
    expect(rows.at(-1)!).toBeGreaterThan(0.9 * rowCount);
  });
});
