import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Client } from "pg";

import { Failure } from "../contracts/failures.ts";
import { Keeper } from "./keeper.ts";
import { openLog, lastWordsIn } from "./logs.ts";
import { choosePostgresLaunch, giveTo, type PostgresLaunch } from "./ordinary-user.ts";
import type { Ports } from "./ports.ts";
import { locatePostgres } from "./postgres-binaries.ts";
import { belongsToFolder, endProcess, isAlive } from "./processes.ts";
import type { Reaper } from "./reaper.ts";
import { loadSecret } from "./secret.ts";

export interface PostgresServer {
  /** Connection string of a role that may create databases and roles. Holds a password: never log it. */
  readonly adminUrl: string;
  /** Of the server we started; `undefined` between a crash and the next start, and when the environment named one. */
  readonly pid: number | undefined;
  /** Ends the server we started, letting it write its checkpoint; does nothing to one the environment named. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Server settings over ours, as in `{ fsync: "off" }` for tests that throw their data away. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly onProgress?: (line: string) => void;
  /** Ends the server when we are gone. */
  readonly reaper: Pick<Reaper, "watch" | "forget">;
  /** Those of the data directory. */
  readonly ports: Ports;
}

const SUPERUSER = "postgres";
const DATABASE = "modelwright";
const READY_WITHIN_MS = 60_000;

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT the immediate one that recovers from the log at the next start. */
const STOP_STEPS = [
  { signal: "SIGINT", graceMs: 20_000 },
  { signal: "SIGQUIT", graceMs: 5_000 },
] as const;

/** Durable (fsync and synchronous commit stay on), and sized for a laptop that does other things as well. */
const laptopSettings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "128MB",
  max_connections: "200",
  timezone: "UTC",
  log_timezone: "UTC",
  jit: "off",
};

/**
 * Postgres for one data directory: the server that DATABASE_ADMIN_URL or DATABASE_URL names, else embedded binaries
 * listening on 127.0.0.1 and a free port, with a random password kept in `<dataDir>/postgres.password` (mode 0600). Once it
 * has answered it is started again, on the same port, whenever it ends unasked. A server left over from a killed run on the same directory is stopped first; its committed data is still there.
 * Fails with STACK_NOT_STARTED, or STACK_UNREACHABLE for a named server that does not answer.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const named = options.env["DATABASE_ADMIN_URL"] || options.env["DATABASE_URL"];
  if (named) {
    await requireAnswer(named);
    return { adminUrl: named, pid: undefined, stop: async () => undefined };
  }
  const onProgress = options.onProgress ?? (() => undefined);
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  const { reaper, ports } = options;
  const launch = await choosePostgresLaunch({ binaries: await locatePostgres(), dataDir, onProgress });
  const cluster = join(launch.clusterParent, "postgres");
  const password = await loadSecret(join(dataDir, "postgres.password"));
  const logFile = join(dataDir, "logs", "postgres.log");
  if (!existsSync(join(cluster, "PG_VERSION"))) {
    await initializeCluster({ launch, cluster, password, logFile, reaper });
  }
  if (launch.owner) await giveTo(launch.owner, cluster);
  await stopLeftover(cluster, onProgress);
  const settings = { ...laptopSettings, ...options.settings };
  return await serve({ launch, cluster, password, logFile, settings, reaper, ports, onProgress });
}

interface Cluster {
  readonly launch: PostgresLaunch;
  readonly cluster: string;
  readonly password: string;
  readonly logFile: string;
  readonly reaper: Pick<Reaper, "watch" | "forget">;
}

/** Runs initdb beside the cluster's place and moves the result there, so that a killed run leaves no half cluster. */
async function initializeCluster({ launch, cluster, password, logFile, reaper }: Cluster): Promise<void> {
  for (const name of await readdir(launch.clusterParent)) {
    if (!name.startsWith("postgres.initializing-")) continue;
    // The initdb of a run that was killed a moment ago may still write there; the next run clears what is left then.
    await rm(join(launch.clusterParent, name), { recursive: true, force: true }).catch(() => undefined);
  }
  const workshop = await mkdtemp(`${cluster}.initializing-`);
  const passwordFile = join(workshop, "password");
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (launch.owner) {
    for (const path of [workshop, passwordFile]) await chown(path, launch.owner.uid, launch.owner.gid);
  }
  const target = join(workshop, "cluster");
  const args = ["-D", target, "-U", SUPERUSER, "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
  args.push("--encoding=UTF8", "--locale=C", "--no-instructions");
  const log = await openLog(logFile);
  const child = spawnAs(launch, launch.binaries.initdb, args, { cwd: workshop, log: log.fd });
  const { pid } = child;
  if (pid !== undefined) reaper.watch({ pid, role: "server", steps: STOP_STEPS });
  await log.close();
  const exit = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code === 0 ? undefined : `exit ${code ?? signal}`));
  });
  if (pid !== undefined) reaper.forget(pid);
  if (exit === undefined) await rename(target, cluster);
  await rm(workshop, { recursive: true, force: true });
  if (exit !== undefined) throw await notStarted(`initdb failed (${exit})`, logFile);
}

/** Stops the server of an earlier run that was killed before it could, and clears a pid file that names somebody else. */
async function stopLeftover(cluster: string, onProgress: (line: string) => void): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const pid = Number((await readFile(pidFile, "utf8").catch(() => "")).split("\n")[0]);
  if (!(pid > 0) || !isAlive(pid)) return;
  if (belongsToFolder(pid, cluster)) {
    onProgress(`postgres: stopping the server an earlier run left behind (pid ${pid})`);
    await endProcess(pid, STOP_STEPS);
    return;
  }
  // PostgreSQL takes any live process of that number for a server and would refuse to start. The file of a dead server stays:
  // it names the shared memory by which the next server sees that processes of the dead one still run.
  await rm(pidFile, { force: true });
}

interface ServeOptions extends Cluster {
  readonly settings: Readonly<Record<string, string>>;
  readonly ports: Ports;
  readonly onProgress: (line: string) => void;
}

async function serve(options: ServeOptions): Promise<PostgresServer> {
  const { launch, cluster, logFile, reaper, onProgress } = options;
  for (let attempt = 1; ; attempt++) {
    const port = await options.ports.choose("postgres");
    const settings = Object.entries({ ...options.settings, port: String(port) });
    const args = ["-D", cluster, ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
    const keeper = new Keeper({
      name: "postgres",
      logFile,
      role: "server",
      stopSteps: STOP_STEPS,
      reaper,
      onProgress,
      // Until the last process of a killed server is gone the new one refuses to start, and is tried again.
      beforeRestart: async () => await stopLeftover(cluster, onProgress),
      spawn: (log) => spawnAs(launch, launch.binaries.postgres, args, { cwd: cluster, log }),
    });
    const url = `postgres://${SUPERUSER}:${options.password}@127.0.0.1:${port}`;
    const problem = await untilReady(keeper, `${url}/postgres`);
    if (problem === undefined) {
      keeper.keep();
      return {
        adminUrl: `${url}/${DATABASE}`,
        get pid() {
          return keeper.pid;
        },
        stop: async () => await keeper.stop(),
      };
    }
    await keeper.stop();
    // Another process may have taken the port between choosing and using it.
    if (attempt === 3) throw await notStarted(problem, logFile);
  }
}

function spawnAs(
  launch: PostgresLaunch,
  file: string,
  args: readonly string[],
  { cwd, log }: { readonly cwd: string; readonly log: number },
): ChildProcess {
  const [command = file, ...rest] = [...launch.prefix, file, ...args];
  return spawn(command, rest, {
    cwd,
    // An own session: Ctrl-C in the terminal reaches us alone, and we stop the servers after those who use them.
    detached: true,
    stdio: ["ignore", log, log],
    // PG* variables of the caller's shell are meant for clients and would change the server's defaults.
    env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
    ...(launch.switchUser ? launch.owner : {}),
  });
}

/** Starts the server and waits for the first answer and for our database; the reason when it ends or stays silent instead. */
async function untilReady(keeper: Keeper, url: string): Promise<string | undefined> {
  let ended: string | undefined;
  try {
    const { exited } = await keeper.start();
    void exited.then((how) => (ended = how));
  } catch (error) {
    return (error as Error).message;
  }
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const problem = await createDatabase(url);
    if (problem === undefined) return undefined;
    if (ended !== undefined) return ended;
    if (Date.now() >= deadline) return `no answer within ${READY_WITHIN_MS / 1000} s (${problem})`;
    await sleep(25);
  }
}

async function createDatabase(url: string): Promise<string | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined); // Reported by the query that was under way.
  try {
    await client.connect();
    const found = await client.query("select 1 from pg_database where datname = $1", [DATABASE]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(DATABASE)}`);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function requireAnswer(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    const { host, port, database } = client;
    const address = `${host}:${port}/${database ?? ""}`;
    throw new Failure("STACK_UNREACHABLE", { what: "Postgres", address, reason: (cause as Error).message }, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function notStarted(reason: string, logFile: string): Promise<Failure> {
  const tail = await lastWordsIn(logFile);
  return new Failure("STACK_NOT_STARTED", {
    what: "Postgres",
    reason: tail ? `${reason}: ${tail}` : reason,
    wayOut: `see ${logFile}, or set DATABASE_URL to a server you run`,
  });
}
