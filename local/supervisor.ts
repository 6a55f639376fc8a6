import { spawn } from "node:child_process";
import { once as onceEmitted } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../contracts/failures.ts";
import { projectRoot } from "./data-directory.ts";
import { openLog, lastWordsIn } from "./logs.ts";
import { endProcess, sendSignal } from "./processes.ts";
import { tsxLoader, type Reaper } from "./reaper.ts";

/** What a child prints as one JSON line on its standard output once it can do its work, as in `{"ready":true,"http":"..."}`. */
type ReadyLine = Readonly<Record<string, unknown>>;

export interface ChildSpec {
  readonly name: string;
  /** TypeScript file, relative to the project root. */
  readonly entry: string;
  readonly env: NodeJS.ProcessEnv;
  readonly readyWithinMs?: number;
  /** How long it may take to finish its work after SIGTERM. */
  readonly stopGraceMs?: number;
}

export interface SupervisedChild {
  readonly name: string;
  /** Of the process that runs now; `undefined` between a crash and the next start. */
  readonly pid: number | undefined;
  /** Of the process that runs now, or ran last. */
  readonly ready: ReadyLine;
  readonly restartCount: number;
}

export interface Supervisor {
  readonly children: ReadonlyMap<string, SupervisedChild>;
  /** Starts a child and waits for its ready line. Fails with STACK_NOT_STARTED when it ends or stays silent instead. */
  start(spec: ChildSpec): Promise<SupervisedChild>;
  /** Stops all children in reverse order of starting. May be called more than once. */
  stop(): Promise<void>;
}

export interface SupervisorOptions {
  readonly dataDir: string;
  readonly reaper: Reaper;
  readonly onProgress?: (line: string) => void;
}

const RESTART_FIRST_MS = 100;
const RESTART_LONGEST_MS = 5_000;
/** A child that ran this long had recovered: its next crash starts from the shortest pause again. */
const STABLE_MS = 30_000;

/**
 * Keeps processes of ours running: each writes to `<dataDir>/logs/<name>.log`, is started again when it ends unasked, with
 * growing pauses and for ever, and ends with this process, however this one ends.
 */
export function createSupervisor({ dataDir, reaper, onProgress = () => undefined }: SupervisorOptions): Supervisor {
  const keepers = new Map<string, Keeper>();
  let stopping: Promise<void> | undefined;
  return {
    children: keepers,
    async start(spec) {
      if (stopping) throw new Error("the supervisor is stopping");
      if (keepers.has(spec.name)) throw new Error(`a child named ${spec.name} is already there`);
      const keeper = new Keeper(spec, { dataDir, reaper, onProgress });
      keepers.set(spec.name, keeper);
      await keeper.start();
      return keeper;
    },
    async stop() {
      stopping ??= (async () => {
        for (const keeper of [...keepers.values()].toReversed()) await keeper.stop();
      })();
      await stopping;
    },
  };
}

interface Run {
  readonly pid: number;
  readonly startedAt: number;
  readonly exited: Promise<string>;
  readonly ready: Promise<ReadyLine>;
}

/** One child over all its restarts. */
class Keeper implements SupervisedChild {
  readonly #spec: ChildSpec;
  readonly #context: Required<SupervisorOptions>;
  readonly #logFile: string;
  readonly #stopped = new AbortController();
  #run: Run | undefined;
  #ready: ReadyLine | undefined;
  #restartCount = 0;
  #keeping: Promise<void> | undefined;

  constructor(spec: ChildSpec, context: Required<SupervisorOptions>) {
    this.#spec = spec;
    this.#context = context;
    this.#logFile = join(context.dataDir, "logs", `${spec.name}.log`);
  }

  get name(): string {
    return this.#spec.name;
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  get ready(): ReadyLine {
    return this.#ready ?? {};
  }

  get restartCount(): number {
    return this.#restartCount;
  }

  async start(): Promise<void> {
    const run = await this.#launch();
    const withinMs = this.#spec.readyWithinMs ?? 60_000;
    const late = sleep(withinMs, `it was not ready within ${withinMs / 1000} s`, { ref: false });
    const outcome = await Promise.race([run.ready, run.exited, late]);
    if (typeof outcome === "string") {
      await this.stop();
      const tail = await lastWordsIn(this.#logFile);
      throw new Failure("STACK_NOT_STARTED", {
        what: this.name,
        reason: tail ? `${outcome}: ${tail}` : outcome,
        wayOut: `see ${this.#logFile}`,
      });
    }
    this.#keeping = this.#keep(run);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    const run = this.#run;
    if (run) {
      await endProcess(run.pid, [{ signal: "SIGTERM", graceMs: this.#spec.stopGraceMs ?? 15_000 }]);
      await run.exited;
    }
    await this.#keeping;
  }

  async #keep(first: Run): Promise<void> {
    const { signal } = this.#stopped;
    let run: Run | undefined = first;
    let pauseMs = RESTART_FIRST_MS;
    for (;;) {
      const end = run ? await run.exited : "it could not be started";
      if (signal.aborted) return;
      if (run && Date.now() - run.startedAt > STABLE_MS) pauseMs = RESTART_FIRST_MS;
      this.#context.onProgress(`${this.name}: ${end}; starting it again`);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      pauseMs = Math.min(pauseMs * 2, RESTART_LONGEST_MS);
      this.#restartCount++;
      // The machine may be out of processes or files for a moment.
      run = await this.#launch().catch(() => undefined);
    }
  }

  async #launch(): Promise<Run> {
    const { reaper } = this.#context;
    const log = await openLog(this.#logFile);
    if (this.#stopped.signal.aborted) {
      await log.close();
      throw new Error(`${this.name} was stopped before it could start`);
    }
    const preload = new URL("exit-with-parent.mjs", import.meta.url).href;
    const child = spawn(process.execPath, ["--import", preload, "--import", tsxLoader(), this.#spec.entry], {
      cwd: projectRoot,
      env: this.#spec.env,
      // An own process group: Ctrl-C in the terminal reaches us alone, and what a killed child started can be found.
      detached: true,
      stdio: ["ignore", "pipe", log.fd, "ipc"],
    });
    const { pid, stdout } = child;
    if (pid === undefined || !stdout) {
      const [error] = (await onceEmitted(child, "error")) as [Error];
      throw error;
    }
    reaper.watch({ pid, role: "client", steps: [{ signal: "SIGTERM", graceMs: 5_000 }] });
    const logStream = log.createWriteStream();
    logStream.on("error", () => undefined); // A full disk must not take the supervisor down with it.
    const ready = new Promise<ReadyLine>((resolve) => {
      createInterface({ input: stdout }).on("line", (line) => {
        const parsed = parseReadyLine(line);
        if (parsed) resolve((this.#ready = parsed));
        else logStream.write(`${line}\n`);
      });
    });
    const exited = new Promise<string>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#run = undefined;
        reaper.forget(pid);
        // A child that was killed could not end what it had started, such as a trainer; its successor starts it afresh.
        sendSignal(-pid, "SIGKILL");
        resolve(`it ended with ${signal ?? `exit code ${code}`}`);
      });
      child.once("close", () => logStream.end());
    });
    this.#run = { pid, startedAt: Date.now(), exited, ready };
    return this.#run;
  }
}

function parseReadyLine(line: string): ReadyLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === "object" && parsed !== null && "ready" in parsed && parsed.ready === true)
      return { ...parsed };
  } catch {
    // An ordinary line that happens to start with a brace.
  }
  return undefined;
}
