import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { keepResults } from "../../../adapters/compute/keep-results.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-kept-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Asks as a process of its own would, and counts what it had to measure. */
async function ask(key: object, measured = 7) {
  let count = 0;
  const result = await keepResults(directory).once({ what: "trial", ...key }, z.number(), async () => {
    count++;
    return Promise.resolve(measured);
  });
  return { result, count };
}

describe("a kept result", () => {
  it("is measured once for the same key and again for any other", async () => {
    expect(await ask({ model: "a" })).toEqual({ result: 7, count: 1 });
    expect(await ask({ model: "a" }, 8)).toEqual({ result: 7, count: 0 });
    expect(await ask({ model: "b" }, 9)).toEqual({ result: 9, count: 1 });
  });

  it("that was cut short or is of another shape is measured again", async () => {
    await ask({ model: "a" });
    const [name] = await readdir(directory);
    for (const broken of ["", '{"half', '"text"']) {
      await writeFile(join(directory, name!), broken);
      expect(await ask({ model: "a" })).toEqual({ result: 7, count: 1 });
    }
  });

  it("is not left behind half when measuring fails", async () => {
    const failing = keepResults(directory).once({ what: "trial" }, z.number(), () => Promise.reject(new Error("no")));
    await expect(failing).rejects.toThrow("no");
    expect(await readdir(directory)).toEqual([]);
  });
});
