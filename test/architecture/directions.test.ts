import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { projectRoot } from "../../local/data-directory.ts";

const run = promisify(execFile);

/** A house of a few files; only what is planted in it is wrong. */
const files = {
  "tsconfig.json": "{}",
  "contracts/names.ts": "export const name = 1;",
  "core/sum.ts": 'import { name } from "../contracts/names.ts"; export const sum = name;',
  "core/clock.ts": 'import { hrtime } from "node:process"; export const now = hrtime;',
  "core/upward.ts": 'import { query } from "../db/query.ts"; export const upward = query;',
  "db/query.ts": 'export const query = "";',
  "workflows/run.ts": 'import { z } from "zod"; export const run = z;',
  "contracts/failures.ts": 'import { name } from "./names.ts"; export const failure = name;',
  "core/left.ts": 'import { right } from "./right.ts"; export const left = (): unknown => right;',
  "core/right.ts": 'import { left } from "./left.ts"; export const right = (): unknown => left;',
};

let violations: readonly string[];
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-directions-"));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  await symlink(join(projectRoot, "node_modules"), join(directory, "node_modules"));
  const program = join(projectRoot, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const config = join(projectRoot, ".dependency-cruiser.cjs");
  const arguments_ = [program, "--config", config, "--output-type", "json", "contracts", "core", "db", "workflows"];
  const { stdout } = await run(process.execPath, arguments_, { cwd: directory, maxBuffer: 1e8 });
  const { summary } = JSON.parse(stdout) as { summary: { violations: readonly Violation[] } };
  violations = summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
});
afterAll(async () => await rm(directory, { recursive: true, force: true }));

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
}

describe("the check of import directions", () => {
  it("finds an arrow upward", () => {
    expect(violations).toContain("core-directions: core/upward.ts");
  });
  it("finds a Node built-in in the pure core", () => {
    expect(violations).toContain("core-no-node-built-ins: core/clock.ts");
  });
  it("finds a package that a workflow may not use", () => {
    expect(violations).toContain("workflows-directions: workflows/run.ts");
  });
  it("finds an import in the leaf constants, which workflows carry", () => {
    expect(violations).toContain("leaf-constants-import-nothing: contracts/failures.ts");
  });
  it("finds a circle", () => {
    expect(violations).toContain("no-circle: core/left.ts");
  });
  it("says nothing of what is allowed", () => {
    expect(violations.filter((violation) => violation.endsWith("core/sum.ts"))).toEqual([]);
  });
});
