import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { projectRoot } from "../../../local/data-directory.ts";

const execute = promisify(execFile);
let directory: string;
let entry: string;
let part: string;
/** Where the joined files are kept. */
let folder: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "bundled-"));
  await writeFile(join(directory, "package.json"), '{"type":"module"}');
  [entry, part] = [join(directory, "program.ts"), join(directory, "part.ts")];
  const name = relative(projectRoot, entry).replaceAll(/[^\w.]/g, "-");
  folder = join(projectRoot, "node_modules/.cache/modelwright", name);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await writeFile(part, 'export const said: string = "first";\nexport const here = import.meta.url;');
  await writeFile(
    entry,
    `const { said, here } = await import("./part.ts");
     interface Unused { readonly field: string }
     if (process.argv[2] === "throw") throw new Error("on the third line");
     console.log(JSON.stringify([said, here, ...process.argv.slice(1)]));`,
  );
});

async function run(...words: string[]): Promise<unknown> {
  const { stdout } = await execute(process.execPath, ["adapters/compute/bundled.mjs", entry, ...words], {
    cwd: projectRoot,
  });
  return JSON.parse(stdout);
}

describe("a program of joined sources", () => {
  it("sees its own path and words, and each module its own address", async () => {
    expect(await run("one", "two")).toEqual(["first", pathToFileURL(part).href, entry, "one", "two"]);
  });

  it("is joined once, and again when a source changed", async () => {
    const record = async () => await readFile(join(folder, "bundle.json"), "utf8");
    await run();
    const first = await record();
    expect(await run()).toMatchObject({ 0: "first" });
    expect(await record()).toBe(first);
    await writeFile(part, 'export const [said, here] = ["second time", null];');
    expect(await run()).toMatchObject({ 0: "second time" });
    expect(await record()).not.toBe(first);
  });

  it("fails with the place in the source", async () => {
    await expect(run("throw")).rejects.toMatchObject({ stderr: expect.stringContaining(`${entry}:3`) });
  });

  it("runs from its sources where joined files cannot be kept", async () => {
    await writeFile(folder, "a file where the folder would be");
    expect(await run("word")).toEqual(["first", pathToFileURL(part).href, entry, "word"]);
  });
});
