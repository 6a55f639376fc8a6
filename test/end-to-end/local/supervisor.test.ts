import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { isAlive } from "../../../local/processes.ts";
import { startReaper, type Reaper } from "../../../local/reaper.ts";
import { createSupervisor, type SupervisedChild, type Supervisor } from "../../../local/supervisor.ts";
import { exitOf, runProgram, survivors } from "./run-program.ts";

const entry = "test/end-to-end/local/programs/steady.ts";
let folder: string;
let reaper: Reaper;
let supervisor: Supervisor;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modelwright-supervisor-"));
  reaper = startReaper();
  supervisor = createSupervisor({ dataDir: folder, reaper });
});

afterEach(async () => {
  await supervisor.stop();
  await reaper.close();
  await rm(folder, { recursive: true, force: true });
});

const withMode = (STEADY_MODE: string): NodeJS.ProcessEnv => ({ ...process.env, STEADY_MODE });
const grandchildOf = (child: SupervisedChild): number => Number(child.ready["grandchild"]);

describe("supervisor", () => {
  it("starts a killed child again, and ends what the killed one had started", async () => {
    const child = await supervisor.start({ name: "steady", entry, env: process.env });
    const { pid = 0 } = child;
    const grandchild = grandchildOf(child);
    process.kill(pid, "SIGKILL");
    await vi.waitUntil(() => grandchildOf(child) !== grandchild, { timeout: 30_000 });
    expect(child.restartCount).toBe(1);
    expect(child.pid).not.toBe(pid);
    expect(survivors({ pid, grandchild })).toEqual([]);
    expect(await readFile(join(folder, "logs", "steady.log"), "utf8")).toContain("an ordinary line");
  });

  it("stops children in reverse order, by force when they do not end by themselves", async () => {
    const first = await supervisor.start({ name: "first", entry, env: process.env });
    const last = await supervisor.start({ name: "last", entry, env: withMode("stubborn"), stopGraceMs: 200 });
    const pids = { first: first.pid ?? 0, last: last.pid ?? 0, one: grandchildOf(first), two: grandchildOf(last) };
    const stopping = supervisor.stop();
    await vi.waitUntil(() => !isAlive(pids.last), { timeout: 10_000, interval: 1 });
    expect(isAlive(pids.first)).toBe(true);
    await Promise.all([stopping, supervisor.stop()]);
    await vi.waitUntil(() => survivors(pids).length === 0, { timeout: 5_000 });
    expect([first.restartCount, last.restartCount]).toEqual([0, 0]);
  });

  it("starts nothing after it was told to stop, even when starting was under way", async () => {
    const starting = supervisor.start({ name: "late", entry, env: process.env });
    const [outcome] = await Promise.allSettled([starting, supervisor.stop()]);
    expect(outcome).toMatchObject({ reason: { message: "late was stopped before it could start" } });
    expect(supervisor.children.get("late")?.pid).toBeUndefined();
  });

  it("fails with the child's last words when it ends before it is ready", async () => {
    await expect(supervisor.start({ name: "broken", entry, env: withMode("fails") })).rejects.toMatchObject({
      code: "STACK_NOT_STARTED",
      message: expect.stringMatching(
        /broken could not be started: it ended with exit code 3: cannot find my configuration/,
      ) as string,
    });
  });

  it("leaves nothing running when it is itself killed", async () => {
    const program = await runProgram("supervised", [folder]);
    program.process.kill("SIGKILL");
    await exitOf(program.process);
    await vi.waitFor(() => expect(survivors(program.said.pids)).toEqual([]), { timeout: 20_000 });
  });

  it("gives the charges of a killed reaper to its successor", async () => {
    const child = await supervisor.start({ name: "steady", entry, env: process.env });
    const { pid: firstReaper = 0 } = reaper;
    process.kill(firstReaper, "SIGKILL");
    await vi.waitUntil(() => reaper.pid !== firstReaper, { timeout: 10_000 });
    await reaper.close();
    // Closing a reaper with charges left makes it end them; the supervisor sees a child that ended unasked.
    await vi.waitFor(() => expect(child.restartCount).toBe(1), { timeout: 10_000 });
  });
});
