import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { projectRoot } from "../../../local/data-directory.ts";

/** `npm run demo`, as a new user runs it, on a data directory of its own. */
let dataDir: string;
let exitCode: number | null;
let told = "";

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "modelwright-demo-"));
  const demo = spawn(process.execPath, ["--import", "tsx", "local/demo.ts"], {
    cwd: projectRoot,
    env: { ...process.env, MODELWRIGHT_DATA_DIR: dataDir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [demo.stdout, demo.stderr]) stream.on("data", (chunk: Buffer) => (told += chunk.toString()));
  exitCode = await new Promise((resolve) => demo.on("exit", resolve));
  // A minute and a half on two quiet cores; other tests run beside it.
}, 600_000);

afterAll(() => rm(dataDir, { recursive: true, force: true }));

it("ends well", () => {
  // What it said last tells why, if it did not.
  expect({ exitCode, lastWords: exitCode === 0 ? "" : told.slice(-3000) }).toEqual({ exitCode: 0, lastWords: "" });
});

it("refuses the leaked label, promotes the challenger and rolls the damaged version back without a client error after it", () => {
  expect(told).toContain('"arrival_delay" alone predicts the label');
  expect(told).toContain("may not approve it");
  expect(told).toMatch(/Replayed \d+ requests during the canary; 0 failed\./);
  expect(told).toMatch(/staging: flight-delay@\d+ rolled-back: wrong-label-rate/);
  expect(told).toContain("no client error after the rollback");
});

it("finds the kilometres in the night they begin, and starts a retraining for them", () => {
  expect(told).toMatch(/night of 2001-07-01: harm, distance drifted/);
  expect(told).toContain("It waits, durably, for somebody's approval.");
});

it("shows the chain behind a prediction down to the source, and an audit trail that is whole", () => {
  expect(told).toMatch(
    /^prediction\/[^]*\n└─ champion routing-epoch\/[^]*─ version model\/[^]*─ training-data artifact\/[^]*flights-3m\.parquet#/m,
  );
  expect(told).toContain("the chain is whole");
  expect(told).toMatch(/signed checkpoints that agree: \d+; they cover the first [1-9]/);
  expect(told).toMatch(/verify-bundle\.mjs[^]*OK: \d+ events stand in log/);
});

it("leaves the evaluation report as one file that loads nothing", async () => {
  const page = await readFile(join(dataDir, "demo", "evaluation.html"), "utf8");
  expect(page).toContain("Evaluation of flight-delay@");
  expect(page).not.toMatch(/<(script|link|img|iframe)\b/);
});
