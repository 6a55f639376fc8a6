import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { endLeftOverTrainer, findByPidFile } from "../../../adapters/training/end-left-over-trainer.ts";
import { runCommand } from "../../../adapters/training/run-command.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-command-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const place = () => ({ manifestPath: join(directory, "manifest.json"), pidPath: join(directory, "trainer.pid") });

describe("runCommand", () => {
  test("kills a program that ignores SIGTERM after the grace period", async () => {
    const script = 'process.on("SIGTERM", () => {}); console.log("ready"); setInterval(() => {}, 1000)';
    const controller = new AbortController();
    const running = runCommand({
      workingDirectory: process.cwd(),
      command: [process.execPath, "-e", script],
      environment: {},
      logPath: join(directory, "log"),
      pidPath: place().pidPath,
      timeoutMs: 60_000,
      silenceMs: 60_000,
      graceMs: 200,
      signal: controller.signal,
      onLine: () => {
        controller.abort(new Error("stop"));
        return true;
      },
    });
    await expect(running).rejects.toThrow("stop");
    expect(existsSync(place().pidPath)).toBe(false);
  });

  test("passes arguments as they are, never through a shell", async () => {
    const lines: string[] = [];
    await runCommand({
      workingDirectory: process.cwd(),
      command: [process.execPath, "-e", "console.log(process.argv[1])", "$HOME; `id` && exit 3"],
      environment: {},
      logPath: join(directory, "log"),
      pidPath: place().pidPath,
      timeoutMs: 60_000,
      silenceMs: 60_000,
      graceMs: 200,
      signal: new AbortController().signal,
      onLine: (line) => lines.push(line) > 0,
    });
    expect(lines).toEqual(["$HOME; `id` && exit 3"]);
  });
});

describe("left-over trainers", () => {
  test("a process id that now belongs to another program is left alone", async () => {
    const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    try {
      await writeFile(place().pidPath, `${stranger.pid}\n`);
      expect(await findByPidFile(place())).toEqual([]);
      await endLeftOverTrainer(place());
      expect(stranger.exitCode).toBeNull();
      expect(stranger.signalCode).toBeNull();
      expect(existsSync(place().pidPath)).toBe(false);
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  test("a recorded process that was given this manifest is found by its command line", async () => {
    const { manifestPath, pidPath } = place();
    const trainer = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", manifestPath], { stdio: "ignore" });
    try {
      await writeFile(pidPath, `${trainer.pid}\n`);
      expect(await findByPidFile(place())).toEqual([-(trainer.pid ?? 0)]);
    } finally {
      trainer.kill("SIGKILL");
    }
  });

  test("a damaged process id file finds nothing", async () => {
    for (const text of ["", "1", "-5", "0", "x"]) {
      await writeFile(place().pidPath, text);
      expect(await findByPidFile(place())).toEqual([]);
    }
  });
});
