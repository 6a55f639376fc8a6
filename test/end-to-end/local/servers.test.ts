import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:net";

import { Connection } from "@temporalio/client";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";

import { isAlive } from "../../../local/processes.ts";
import { openPorts } from "../../../local/ports.ts";
import { startPostgres } from "../../../local/postgres.ts";
import { startServers, type Servers } from "../../../local/servers.ts";
import { exitOf, ownServersEnv, runProgram, survivors } from "./run-program.ts";

let folder: string;
const running = new Set<Servers>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "modelwright-local-"));
});

afterEach(async () => {
  for (const servers of running) await servers.stop();
  running.clear();
  await rm(folder, { recursive: true, force: true });
});

async function start(dataDir: string, options: Partial<Parameters<typeof startServers>[0]> = {}): Promise<Servers> {
  const servers = await startServers({ dataDir, env: ownServersEnv, ...options });
  running.add(servers);
  return servers;
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

async function searchAttributes(address: string): Promise<string[]> {
  const connection = await Connection.connect({ address });
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: "default" });
    return Object.keys(customAttributes ?? {});
  } finally {
    await connection.close();
  }
}

describe("local servers on a new folder below one that only its owner may enter", () => {
  let closed: string;
  let dataDir: string;
  let servers: Servers;

  beforeAll(async () => {
    closed = await mkdtemp(join(tmpdir(), "modelwright-closed-"));
    await chmod(closed, 0o700);
    dataDir = join(closed, "new", "data");
    servers = await startServers({ dataDir, env: ownServersEnv });
  });

  afterAll(async () => {
    await servers.stop();
    await rm(closed, { recursive: true, force: true });
  });

  it("answer, with settings that survive a power cut", async () => {
    const [row] = await query(
      servers.postgres.adminUrl,
      "select current_database() as name, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit",
    );
    expect(row).toEqual({ name: "modelwright", fsync: "on", commit: "on" });
    expect(await searchAttributes(servers.temporal.address)).toEqual([]);
  });

  it("ask for a password that only the owner of the folder can read", async () => {
    const wrong = new URL(servers.postgres.adminUrl);
    wrong.password = "guess";
    await expect(query(wrong.href, "select 1")).rejects.toThrow("password authentication failed");
    expect((await stat(join(dataDir, "postgres.password"))).mode & 0o777).toBe(0o600);
  });

  it("listen on the loopback interface only", async () => {
    const { postgres, temporal } = servers;
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter((address) => !address.internal && address.family === "IPv4");
    const ports = [new URL(postgres.adminUrl).port, temporal.address.split(":")[1], new URL(temporal.uiUrl ?? "").port];
    for (const port of ports) expect(await connects("127.0.0.1", Number(port))).toBe(true);
    for (const { address } of outside) {
      for (const port of ports) expect(await connects(address, Number(port))).toBe(false);
    }
  });

  it("refuse a second pair on the same folder by saying who has it", async () => {
    await expect(startServers({ dataDir, env: ownServersEnv })).rejects.toMatchObject({
      code: "STACK_NOT_STARTED",
      message: expect.stringContaining(`process ${process.pid} already runs one there`) as string,
    });
  });

  it("run beside a pair on another folder, and leave no process and no lock when stopped", async () => {
    const other = await start(folder);
    const { postgres, temporal, reaper } = other;
    const pids = { postgres: postgres.pid ?? 0, temporal: temporal.pid ?? 0, reaper: reaper.pid ?? 0 };
    expect(survivors(pids)).toEqual(["postgres", "temporal", "reaper"]);
    await other.stop();
    expect(survivors(pids)).toEqual([]);
    await expect(stat(join(folder, "stack.lock"))).rejects.toThrow("ENOENT");
    expect(await query(servers.postgres.adminUrl, "select 1 as alive")).toEqual([{ alive: 1 }]);
  });
});

describe("local servers", () => {
  it("keep their data over a restart, and gain search attributes that a later version asks for", async () => {
    const first = await start(folder, { searchAttributes: { FirstName: "KEYWORD" } });
    await query(first.postgres.adminUrl, "create table kept as select 42 as answer");
    await first.stop();
    const second = await start(folder, { searchAttributes: { FirstName: "KEYWORD", LaterName: "INT" } });
    expect(await query(second.postgres.adminUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(await searchAttributes(second.temporal.address)).toEqual(expect.arrayContaining(["FirstName", "LaterName"]));
  });

  it("leave nothing behind when the process that started them is killed, and start again with their data", async () => {
    const program = await runProgram("servers", [folder]);
    await query(String(program.said["adminUrl"]), "create table kept as select 7 as answer");
    program.process.kill("SIGKILL");
    await exitOf(program.process);
    await vi.waitUntil(() => survivors(program.said.pids).length === 0, { timeout: 30_000 });
    await expect(stat(join(folder, "stack.lock"))).rejects.toThrow("ENOENT");
    const again = await start(folder);
    expect(await query(again.postgres.adminUrl, "select answer from kept")).toEqual([{ answer: 7 }]);
  });

  it("are taken over when both the process that started them and its reaper were killed", async () => {
    const program = await runProgram("servers", [folder]);
    await query(String(program.said["adminUrl"]), "create table kept as select 8 as answer");
    const { postgres = 0, temporal = 0, reaper = 0 } = program.said.pids;
    // Stopped first: the starter would notice the death of its reaper and start another.
    process.kill(program.process.pid ?? 0, "SIGSTOP");
    process.kill(reaper, "SIGKILL");
    program.process.kill("SIGKILL");
    await exitOf(program.process);
    expect(survivors({ postgres, temporal })).toEqual(["postgres", "temporal"]);
    const told: string[] = [];
    const again = await start(folder, { onProgress: (line) => told.push(line) });
    expect(survivors({ postgres, temporal })).toEqual([]);
    expect(told.join("\n")).toContain(`an earlier run left behind (pid ${postgres})`);
    expect(await query(again.postgres.adminUrl, "select answer from kept")).toEqual([{ answer: 8 }]);
  });

  it("start although the pid files of a dead run name a process of somebody else", async () => {
    await (await start(folder)).stop();
    await writeFile(join(folder, "postgres", "postmaster.pid"), `${process.pid}\n${folder}/postgres\n0\n0\n\n\n`);
    await writeFile(join(folder, "temporal.pid"), `${process.pid}\n0\n`);
    await writeFile(join(folder, "stack.lock"), `${process.pid}\n0\n`);
    const { postgres } = await start(folder);
    expect(await query(postgres.adminUrl, "select 1 as alive")).toEqual([{ alive: 1 }]);
    expect(isAlive(process.pid)).toBe(true);
  });

  it("are started again where they were when they are killed, and leave nothing when their starter is killed after that", async () => {
    const program = await runProgram("servers", [folder]);
    const { adminUrl, temporalAddress } = program.said as unknown as Record<"adminUrl" | "temporalAddress", string>;
    await query(adminUrl, "create table kept as select 9 as answer");
    const { postgres = 0, temporal = 0, reaper = 0 } = program.said.pids;
    for (const pid of [postgres, temporal]) process.kill(pid, "SIGKILL");
    await vi.waitFor(
      async () => {
        expect(await query(adminUrl, "select answer from kept")).toEqual([{ answer: 9 }]);
        expect(await searchAttributes(temporalAddress)).toEqual([]);
      },
      { timeout: 60_000, interval: 100 },
    );
    const successors = {
      postgres: Number((await readFile(join(folder, "postgres", "postmaster.pid"), "utf8")).split("\n")[0]),
      temporal: Number((await readFile(join(folder, "temporal.pid"), "utf8")).split("\n")[0]),
    };
    expect(survivors({ ...successors, reaper })).toEqual(["postgres", "temporal", "reaper"]);
    program.process.kill("SIGKILL");
    await exitOf(program.process);
    await vi.waitUntil(() => survivors({ ...successors, reaper }).length === 0, { timeout: 30_000 });
  });

  it("take the same ports again after a stop, and another one where somebody else has taken theirs", async () => {
    const first = await start(folder);
    const { adminUrl } = first.postgres;
    const { address, uiUrl } = first.temporal;
    await first.stop();
    const somebody = createServer();
    await new Promise<void>((resolve) => somebody.listen(Number(new URL(adminUrl).port), "127.0.0.1", resolve));
    const second = await start(folder);
    expect(second.temporal).toMatchObject({ address, uiUrl });
    expect(second.postgres.adminUrl).not.toBe(adminUrl);
    expect(await query(second.postgres.adminUrl, "select 1 as alive")).toEqual([{ alive: 1 }]);
    somebody.close();
  });

  it("stop in order on Ctrl-C, once, with exit code 130", async () => {
    const program = await runProgram("servers", [folder]);
    process.kill(-(program.process.pid ?? 0), "SIGINT");
    expect(await exitOf(program.process)).toBe(130);
    expect(survivors(program.said.pids)).toEqual([]);
    expect(await readFile(join(folder, "logs", "postgres.log"), "utf8")).toContain("database system is shut down");
  });

  it.runIf(process.getuid?.() === 0)(
    "start for root where user namespaces are forbidden, as the user nobody",
    async () => {
      const bin = join(folder, "bin");
      await mkdir(bin);
      await writeFile(join(bin, "unshare"), "#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n", {
        mode: 0o755,
      });
      vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
      const told: string[] = [];
      const postgres = await startPostgres({
        dataDir: folder,
        env: ownServersEnv,
        reaper: { watch: () => undefined, forget: () => undefined },
        ports: await openPorts(folder),
        onProgress: (line) => told.push(line),
      });
      const movedTo = /its data lies in (.*)$/m.exec(told.join("\n"))?.[1];
      try {
        expect(told[0]).toContain("unshare: Operation not permitted");
        expect(await query(postgres.adminUrl, "select 1 as alive")).toEqual([{ alive: 1 }]);
        expect((await stat(`/proc/${postgres.pid}`)).uid).not.toBe(0);
      } finally {
        vi.unstubAllEnvs();
        await postgres.stop();
        if (movedTo) await rm(movedTo, { recursive: true, force: true });
      }
      // The test's own folder is closed to others, so the data had to move.
      expect(movedTo).toMatch(/^\/(var\/)?tmp\//);
    },
  );
});

describe("servers that the environment names", () => {
  it("are used and not stopped", async () => {
    const [adminUrl, temporalAddress] = [inject("adminUrl"), inject("temporalAddress")];
    const named = await start(folder, {
      env: { ...ownServersEnv, DATABASE_URL: adminUrl, TEMPORAL_ADDRESS: temporalAddress },
    });
    expect(named.postgres).toMatchObject({ adminUrl });
    expect([named.postgres.pid, named.temporal.pid, named.temporal.uiUrl]).toEqual([undefined, undefined, null]);
    await named.stop();
    expect(await query(adminUrl, "select 1 as alive")).toEqual([{ alive: 1 }]);
    expect(await searchAttributes(temporalAddress)).toEqual(expect.any(Array));
  });

  it("fail by their address and without their password when they do not answer", async () => {
    const env = { ...ownServersEnv, DATABASE_URL: "postgres://me:very-secret@127.0.0.1:9/mine" };
    const failure = startServers({ dataDir: folder, env }).catch((error: unknown) => error);
    await expect(failure).resolves.toMatchObject({ code: "STACK_UNREACHABLE" });
    const { message } = (await failure) as Error;
    expect(message).toContain("127.0.0.1:9/mine");
    expect(message).not.toContain("very-secret");
  });
});

async function connects(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(socket.destroy() !== undefined));
    socket.once("error", () => resolve(false));
  });
}
