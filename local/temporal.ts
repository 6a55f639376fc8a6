import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir, readFile, realpath, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Connection } from "@temporalio/client";
import type { SearchAttributeType } from "@temporalio/common";

import { Failure } from "../contracts/failures.ts";
import { Keeper } from "./keeper.ts";
import type { Ports } from "./ports.ts";
import { endProcess, processIdentity } from "./processes.ts";
import type { Reaper } from "./reaper.ts";
import { findTemporalExecutable } from "./temporal-executable.ts";

export interface TemporalServer {
  /** `host:port` of the gRPC frontend. */
  readonly address: string;
  /** Of the web interface; `null` when the environment named the server, whose interface we do not know. */
  readonly uiUrl: string | null;
  readonly namespace: string;
  /** Of the server we started; `undefined` between a crash and the next start, and when the environment named one. */
  readonly pid: number | undefined;
  /** Ends the server we started; does nothing to one the environment named. */
  stop(): Promise<void>;
}

export interface TemporalOptions {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Where a fetched executable is kept; shared by data directories. */
  readonly cacheDir: string;
  /** Custom search attributes that must exist, whether the database is new or not. */
  readonly searchAttributes?: Readonly<Record<string, SearchAttributeType>>;
  readonly onProgress?: (line: string) => void;
  /** Ends the server when we are gone. */
  readonly reaper: Pick<Reaper, "watch" | "forget">;
  /** Those of the data directory. */
  readonly ports: Ports;
  /** Gives up fetching an executable; a server that is already starting is waited for, so that it can be stopped. */
  readonly signal?: AbortSignal;
}

const READY_WITHIN_MS = 60_000;
const STOP_STEPS = [{ signal: "SIGTERM", graceMs: 10_000 }] as const;

/**
 * Temporal for one data directory: the server TEMPORAL_ADDRESS names (namespace TEMPORAL_NAMESPACE, or `default`), else a
 * dev server on 127.0.0.1 and free ports whose SQLite file in the data directory survives restarts and kills. Once it has
 * answered it is started again, on the same ports, whenever it ends unasked.
 * Fails with STACK_NOT_STARTED, or STACK_UNREACHABLE for a named server that does not answer.
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const namespace = options.env["TEMPORAL_NAMESPACE"] || "default";
  const searchAttributes = options.searchAttributes ?? {};
  const named = options.env["TEMPORAL_ADDRESS"];
  if (named) {
    await prepareNamespace({ address: named, namespace, searchAttributes, withinMs: 10_000 });
    return { address: named, uiUrl: null, namespace, pid: undefined, stop: async () => undefined };
  }
  const onProgress = options.onProgress ?? (() => undefined);
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  const { env, cacheDir, signal } = options;
  const executable = await findTemporalExecutable({ env, cacheDir, onProgress, ...(signal ? { signal } : {}) });
  const pidFile = join(dataDir, "temporal.pid");
  await stopLeftover(pidFile, onProgress);
  const { reaper, ports } = options;
  return await serve({ dataDir, executable, namespace, searchAttributes, pidFile, reaper, ports, onProgress });
}

interface ServeOptions {
  readonly dataDir: string;
  readonly executable: string;
  readonly namespace: string;
  readonly searchAttributes: Readonly<Record<string, SearchAttributeType>>;
  readonly pidFile: string;
  readonly reaper: Pick<Reaper, "watch" | "forget">;
  readonly ports: Ports;
  readonly onProgress: (line: string) => void;
}

async function serve(options: ServeOptions): Promise<TemporalServer> {
  const { namespace, searchAttributes, pidFile, ports } = options;
  for (let attempt = 1; ; attempt++) {
    const [port, uiPort] = [await ports.choose("temporal"), await ports.choose("temporalUi")];
    const address = `127.0.0.1:${port}`;
    const keeper = createKeeper({ ...options, port, uiPort });
    const stop = async (): Promise<void> => {
      await keeper.stop();
      await rm(pidFile, { force: true });
    };
    let ended: string | undefined;
    try {
      const { exited } = await keeper.start();
      void exited.then((how) => (ended = how));
      await waitForPort(port, () => ended);
      await prepareNamespace({ address, namespace, searchAttributes, withinMs: READY_WITHIN_MS });
      keeper.keep();
      return {
        address,
        uiUrl: `http://127.0.0.1:${uiPort}`,
        namespace,
        get pid() {
          return keeper.pid;
        },
        stop,
      };
    } catch (error) {
      const hadEnded = ended !== undefined;
      await stop();
      // Another process may have taken a port between choosing and using it.
      if (hadEnded && attempt < 3) continue;
      throw new Failure(
        "STACK_NOT_STARTED",
        {
          what: "Temporal",
          reason: await keeper.withLastWords((error as Error).message),
          wayOut: `see ${logFileIn(options.dataDir)}, or set TEMPORAL_ADDRESS to a server you run`,
        },
        { cause: error },
      );
    }
  }
}

const logFileIn = (dataDir: string): string => join(dataDir, "logs", "temporal.log");

function createKeeper(options: ServeOptions & { readonly port: number; readonly uiPort: number }): Keeper {
  const { dataDir, executable, namespace, pidFile, reaper, onProgress } = options;
  const args = ["server", "start-dev", "--ip", "127.0.0.1"];
  args.push("--port", String(options.port), "--ui-port", String(options.uiPort));
  args.push("--db-filename", join(dataDir, "temporal.db"), "--namespace", namespace);
  // With a write-ahead log, synchronous=NORMAL loses nothing when processes are killed; only a power cut may take the last commits.
  args.push("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL");
  args.push("--log-level", "error", "--disable-config-file", "--disable-config-env");
  return new Keeper({
    name: "temporal",
    logFile: logFileIn(dataDir),
    role: "server",
    stopSteps: STOP_STEPS,
    reaper,
    onProgress,
    // At once, before anything can kill us between the two.
    onSpawn: (pid) => writeFileSync(pidFile, `${pid}\n${processIdentity(pid) ?? ""}\n`, { mode: 0o600 }),
    spawn: (log) =>
      spawn(executable, args, {
        cwd: dataDir,
        // An own session: Ctrl-C in the terminal reaches us alone, and we stop the servers after those who use them.
        detached: true,
        stdio: ["ignore", log, log],
      }),
  });
}

/** Stops the server of an earlier run that was killed before it could. */
async function stopLeftover(pidFile: string, onProgress: (line: string) => void): Promise<void> {
  const [pidLine, identity] = (await readFile(pidFile, "utf8").catch(() => "")).split("\n");
  const pid = Number(pidLine);
  if (!(pid > 0) || !identity || processIdentity(pid) !== identity) return;
  onProgress(`temporal: stopping the server an earlier run left behind (pid ${pid})`);
  await endProcess(pid, STOP_STEPS);
}

/** Waits for the first accepted connection: gRPC's own waiting backs off for seconds after a first refusal. */
async function waitForPort(port: number, ended: () => string | undefined): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await accepts(port))) {
    const end = ended();
    if (end !== undefined) throw new Error(end);
    if (Date.now() >= deadline) throw new Error(`no answer within ${READY_WITHIN_MS / 1000} s`);
    await sleep(25);
  }
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

interface Namespace {
  readonly address: string;
  readonly namespace: string;
  readonly searchAttributes: Readonly<Record<string, SearchAttributeType>>;
  readonly withinMs: number;
}

/**
 * Waits until the namespace answers and adds the search attributes it lacks. The dev server's own `--search-attribute`
 * flag is not used: it only counts for a new database file, and not at all for a server the environment names.
 */
async function prepareNamespace({ address, namespace, searchAttributes, withinMs }: Namespace): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect({ address, connectTimeout: 5_000 });
      await connection.workflowService.describeNamespace({ namespace });
      await addSearchAttributes(connection, namespace, searchAttributes);
      return;
    } catch (cause) {
      if (Date.now() >= deadline) {
        const reason = `namespace ${namespace}: ${(cause as Error).message}`;
        throw new Failure("STACK_UNREACHABLE", { what: "Temporal", address, reason }, { cause });
      }
    } finally {
      await connection?.close();
    }
    await sleep(50);
  }
}

/** temporal.api.enums.v1.IndexedValueType: the SDK names the types in words and sends them as these numbers. */
const indexedValueTypes = { TEXT: 1, KEYWORD: 2, INT: 3, DOUBLE: 4, BOOL: 5, DATETIME: 6, KEYWORD_LIST: 7 } as const;

async function addSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: Readonly<Record<string, SearchAttributeType>>,
): Promise<void> {
  if (Object.keys(wanted).length === 0) return;
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(wanted).filter(([name]) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, indexedValueTypes[type]])),
  });
}
