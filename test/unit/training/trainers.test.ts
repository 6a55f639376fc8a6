import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { trainers } from "../../../adapters/training/trainers.ts";
import { isRunning } from "../../fixtures/training/is-running.mjs";
import { trainingRequest } from "../../fixtures/training/request.ts";

let workDirectory = "";
beforeEach(async () => {
  workDirectory = await mkdtemp(join(tmpdir(), "modelwright-training-"));
});
afterEach(async () => {
  await rm(workDirectory, { recursive: true, force: true });
});

const beside = (name: string) => join(workDirectory, name);
const pidsIn = async (name: string) => (await readFile(beside(name), "utf8")).trim().split("\n").map(Number);
const startCount = async () => (await pidsIn("starts.txt")).length;

const ownerScript = fileURLToPath(new URL("../../fixtures/training/owner.ts", import.meta.url));

/** Starts a process that hands off a training and kills it once the trainer runs; returns the trainer's process id. */
async function handOffAndDie(behaviour: string): Promise<number> {
  const owner = spawn(process.execPath, ["--import", "tsx", ownerScript, workDirectory, behaviour], {
    stdio: "ignore",
  });
  await vi.waitFor(() => expect(existsSync(beside("starts.txt"))).toBe(true), { timeout: 20_000, interval: 20 });
  await vi.waitFor(() => expect(existsSync(beside("trainer.pid"))).toBe(true), { timeout: 20_000, interval: 20 });
  const gone = new Promise((resolve) => owner.once("exit", resolve));
  owner.kill("SIGKILL");
  await gone;
  const [pid = 0] = await pidsIn("starts.txt");
  return pid;
}

describe.each(Object.entries(trainers))("trainer %s", (kind, trainer) => {
  test("describes itself", () => {
    expect(trainer.kind).toBe(kind);
    expect(trainer.summary).toMatch(/\.$/);
  });

  test("returns model, signature and metrics, and passes on progress lines only", async () => {
    const progress: (readonly [number, string])[] = [];
    const result = await trainer.train(
      trainingRequest(workDirectory, "well", { onProgress: (share, note) => progress.push([share, note]) }),
    );
    expect(await readFile(result.modelPath, "utf8")).toBe("model bytes");
    expect(result.signature.prediction.threshold).toBe(0.5);
    expect(result.metrics).toEqual({ loss: 0.5 });
    expect(progress).toEqual([
      [0.5, "half"],
      [1, "done"],
    ]);
    expect(await readFile(beside("trainer.log"), "utf8")).toBe('a plain line\n{"progress": 7}\n');
  });

  test("keeps the worker's secrets from the trainer", async () => {
    vi.stubEnv("DATABASE_URL", "postgres://secret");
    try {
      const result = await trainer.train(trainingRequest(workDirectory, "environment", {}));
      expect(result.metrics).toEqual({ seesDatabase: 0 });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test.each([
    ["fails", "TRAINER_EXITED", /code 3.*no such column: hour/],
    ["no model", "TRAINER_NO_MODEL", /model\.onnx/],
    ["empty model", "TRAINER_NO_MODEL", /model\.onnx/],
    ["broken signature", "MODEL_SIGNATURE", /signature\.json/],
    ["odd signature", "MODEL_SIGNATURE", /outputs: Too small/],
    ["label as feature", "MODEL_SIGNATURE", /a feature on late, expected features on hour only/],
    ["other label", "MODEL_SIGNATURE", /label "hour", expected "late"/],
    ["odd metrics", "INPUT_INVALID", /metrics\.json: loss: /],
  ])("says what is wrong with a trainer that is: %s", async (behaviour, code, message) => {
    const training = trainer.train(trainingRequest(workDirectory, behaviour, {}));
    await expect(training).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(existsSync(beside("done.json"))).toBe(false);
  });

  test("names a program that does not exist", async () => {
    const request = trainingRequest(workDirectory, "well", { command: ["no-such-program-anywhere"] });
    await expect(trainer.train(request)).rejects.toMatchObject({ code: "FILE_MISSING" });
  });

  test("ends a trainer that says nothing", async () => {
    const training = trainer.train(trainingRequest(workDirectory, "silent", { silenceMs: 1500 }));
    await expect(training).rejects.toMatchObject({ code: "TRAINER_SILENT", fields: { allowedMs: 1500 } });
    expect(isRunning((await pidsIn("starts.txt"))[0] ?? 0)).toBe(false);
  });

  test("ends a trainer that talks but never finishes", async () => {
    const training = trainer.train(
      trainingRequest(workDirectory, "talks for ever", { timeoutMs: 3000, silenceMs: 2000 }),
    );
    await expect(training).rejects.toMatchObject({ code: "TRAINER_TIMEOUT", fields: { allowedMs: 3000 } });
    expect(isRunning((await pidsIn("starts.txt"))[0] ?? 0)).toBe(false);
  });

  test("stops the trainer on abort and rejects with the abort's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("cancelled by a person");
    const training = trainer.train(
      trainingRequest(workDirectory, "stops when its owner is gone", {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      }),
    );
    await expect(training).rejects.toBe(reason);
    expect(isRunning((await pidsIn("starts.txt"))[0] ?? 0)).toBe(false);
    expect(existsSync(beside("trainer.pid"))).toBe(false);
  });

  test("starts nothing when aborted before", async () => {
    const training = trainer.train(
      trainingRequest(workDirectory, "well", { signal: AbortSignal.abort(new Error("no")) }),
    );
    await expect(training).rejects.toThrow("no");
    expect(existsSync(beside("starts.txt"))).toBe(false);
  });

  test("leaves no process behind when a trainer leaves its own", async () => {
    await trainer.train(trainingRequest(workDirectory, "leaves children", {}));
    const [child = 0] = await pidsIn("children.txt");
    expect(isRunning(child)).toBe(false);
  });

  // Elsewhere the environment of a process cannot be read, and a daemon that hides cannot be told from a stranger.
  test.runIf(process.platform === "linux")("on Linux ends a daemon that left the trainer's group", async () => {
    await trainer.train(trainingRequest(workDirectory, "leaves a daemon", {}));
    const [daemon = 0] = await pidsIn("children.txt");
    expect(isRunning(daemon)).toBe(false);
  });

  test("bounds the log of a trainer that floods it without line breaks", async () => {
    await trainer.train(trainingRequest(workDirectory, "floods", {}));
    const { size } = await stat(beside("trainer.log"));
    expect(size).toBeGreaterThan(4_000_000);
    expect(size).toBeLessThan(4_400_000);
  });

  test("takes the finished result of an earlier attempt instead of training again", async () => {
    const request = trainingRequest(workDirectory, "well", {});
    const first = await trainer.train(request);
    expect(await trainer.train(request)).toEqual(first);
    expect(await startCount()).toBe(1);
  });

  test.each([
    ["the model was changed since", () => writeFile(beside("model.onnx"), "other bytes")],
    ["the record was cut short", () => writeFile(beside("done.json"), '{"version":1')],
    ["a file is gone", () => rm(beside("signature.json"))],
  ])("trains again when %s", async (_, damage) => {
    const request = trainingRequest(workDirectory, "well", {});
    await trainer.train(request);
    await damage();
    const again = await trainer.train(request);
    expect(await readFile(again.modelPath, "utf8")).toBe("model bytes");
    expect(await startCount()).toBe(2);
  });

  test("trains again when something else is asked for", async () => {
    const request = trainingRequest(workDirectory, "well", {});
    await trainer.train(request);
    await trainer.train({ ...request, manifest: { ...request.manifest, seed: 2 } });
    expect(await startCount()).toBe(2);
  });

  test("does not take a model that an earlier, failed attempt left", async () => {
    await writeFile(beside("model.onnx"), "half a model");
    const training = trainer.train(trainingRequest(workDirectory, "no model", {}));
    await expect(training).rejects.toMatchObject({ code: "TRAINER_NO_MODEL" });
  });

  test("tells the trainer through its standard input that its worker was killed", async () => {
    const pid = await handOffAndDie("stops when its owner is gone");
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000 });
  });

  test("ends a trainer that outlived its killed worker before it starts another", async () => {
    const pid = await handOffAndDie("stubborn once");
    expect(isRunning(pid)).toBe(true);
    const result = await trainer.train(trainingRequest(workDirectory, "stubborn once", {}));
    expect(result.metrics).toEqual({ firstStillRuns: 0 });
    expect(await startCount()).toBe(2);
  });
});
