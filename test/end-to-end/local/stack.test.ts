import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import { findRunningStack, startStack, type Stack } from "../../../local/stack.ts";
import { exitOf, ownServersEnv, processesOf, startProgram } from "./run-program.ts";

const newFolder = async (): Promise<string> => await mkdtemp(join(tmpdir(), "modelwright-stack-"));

const isLive = async ({ addresses }: Stack): Promise<boolean> =>
  (await fetch(`${addresses.gateway}/v2/health/live`)).ok;

describe("a running stack", () => {
  let dataDir: string;
  let stack: Stack;

  beforeAll(async () => {
    dataDir = await newFolder();
    stack = await startStack({ dataDir, env: ownServersEnv });
  });

  afterAll(async () => {
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it("can be found by others through a file that only its owner can read", async () => {
    expect(await findRunningStack(dataDir)).toEqual(stack.addresses);
    expect((await stat(join(dataDir, "stack.json"))).mode & 0o777).toBe(0o600);
  });

  it("lets its processes into the database as a role that owns nothing", async () => {
    const client = new Client({ connectionString: stack.addresses.database });
    await client.connect();
    const owned = await client.query("select 1 from pg_tables where tableowner = current_user");
    const role = await client.query("select rolsuper from pg_roles where rolname = current_user");
    await client.end();
    expect([owned.rowCount, role.rows]).toEqual([0, [{ rolsuper: false }]]);
  });

  it("is not disturbed by another one beside it, which answers at its own addresses again when it is started again", async () => {
    const folder = await newFolder();
    const other = await startStack({ dataDir: folder, env: ownServersEnv });
    await other.stop();
    expect(await processesOf(folder)).toEqual([]);
    const again = await startStack({ dataDir: folder, env: ownServersEnv });
    expect(again.addresses).toEqual(other.addresses);
    expect(await Promise.all([again, stack].map(async (one) => await isLive(one)))).toEqual([true, true]);
    await again.stop();
    expect([await isLive(again).catch(() => false), await isLive(stack)]).toEqual([false, true]);
    await rm(folder, { recursive: true, force: true });
  });

  it("brings a killed process back, the gateway at its old address", async () => {
    const before = new Map([...stack.children].map(([name, { pid }]) => [name, pid]));
    expect([...before.keys()].toSorted()).toEqual(["compute", "control", "gateway"]);
    for (const pid of before.values()) process.kill(pid ?? 0, "SIGKILL");
    await vi.waitFor(
      async () => {
        for (const [name, child] of stack.children)
          expect([name, before.get(name), undefined]).not.toContain(child.pid);
        expect(await isLive(stack)).toBe(true);
      },
      { timeout: 60_000, interval: 100 },
    );
  });
});

describe.runIf(process.platform === "linux")("a stack whose process ends", () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await newFolder();
  });

  afterEach(async () => {
    await rm(dataDir, { recursive: true, force: true });
  });

  it("by SIGKILL leaves no process and no file that says it runs", async () => {
    const program = startProgram("stack", [dataDir]);
    await program.line((text) => text.startsWith("{"));
    expect((await processesOf(dataDir)).length).toBeGreaterThan(5);
    program.process.kill("SIGKILL");
    await exitOf(program.process);
    await vi.waitFor(async () => expect(await processesOf(dataDir)).toEqual([]), { timeout: 30_000, interval: 100 });
    // The reaper, which names no folder, removes the files last.
    await vi.waitFor(async () => expect(await readdir(dataDir)).not.toContain("stack.json"), { timeout: 10_000 });
    expect(await findRunningStack(dataDir)).toBeUndefined();
  });

  it.for(["starting Postgres and Temporal", "starting the workers and the gateway"])(
    "by Ctrl-C while it says `%s` leaves nothing and exits with 130",
    async (progress) => {
      const program = startProgram("stack", [dataDir]);
      await program.line((text) => text === progress);
      process.kill(-(program.process.pid ?? 0), "SIGINT");
      expect(await exitOf(program.process)).toBe(130);
      expect(await processesOf(dataDir)).toEqual([]);
      expect(await findRunningStack(dataDir)).toBeUndefined();
    },
  );
});
