import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { lastWordsIn, openLog } from "./logs.ts";
import { endProcess, sendSignal } from "./processes.ts";
import type { Charge, Reaper } from "./reaper.ts";

export interface KeeperOptions {
  readonly name: string;
  readonly logFile: string;
  /**
   * Starts the process, detached: an own process group, so that Ctrl-C in the terminal reaches us alone and what a killed
   * process had started can be found. What it gets as `log` is open for appending.
   */
  readonly spawn: (log: number) => ChildProcess;
  /** Runs before every start but the first, for what a killed process leaves behind. */
  readonly beforeRestart?: () => Promise<void>;
  /** Called with every new process, long before it answers. */
  readonly onSpawn?: (pid: number) => void;
  /** Given every line of a piped standard output; false sends the line to the log. */
  readonly onLine?: (line: string) => boolean;
  /** How it is stopped when we ask for it. */
  readonly stopSteps: Charge["steps"];
  /** Ends the process when we are gone; the same as `stopSteps` where nothing else is said. */
  readonly orphanSteps?: Charge["steps"];
  readonly role: Charge["role"];
  readonly reaper: Pick<Reaper, "watch" | "forget">;
  readonly onProgress: (line: string) => void;
}

/** A process that is kept running. */
export interface KeptProcess {
  readonly name: string;
  /** Of the process that runs now; `undefined` between a crash and the next start. */
  readonly pid: number | undefined;
  readonly restartCount: number;
}

const RESTART_FIRST_MS = 100;
const RESTART_LONGEST_MS = 5_000;
/** A process that ran this long had recovered: its next crash starts from the shortest pause again. */
const STABLE_MS = 30_000;

interface Run {
  readonly pid: number;
  readonly startedAt: number;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;
}

/**
 * One process over all its restarts: its output goes to its log, and from `keep` on it is started again when it ends
 * unasked, with growing pauses and for ever. Ours and the servers are kept by the same rules.
 */
export class Keeper implements KeptProcess {
  readonly #options: KeeperOptions;
  readonly #stopped = new AbortController();
  #launching: Promise<Run> | undefined;
  #run: Run | undefined;
  #restartCount = 0;
  #keeping: Promise<void> | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  get restartCount(): number {
    return this.#restartCount;
  }

  /** Starts the process for the first time; the promise it returns holds how it ended, once it does. */
  async start(): Promise<{ readonly exited: Promise<string> }> {
    return await this.#launch();
  }

  /** From now on the process is started again when it ends. */
  keep(): void {
    this.#keeping ??= this.#keep(this.#run);
  }

  /** Ends the process for good. May be called at any time and more than once. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#launching?.catch(() => undefined);
    const run = this.#run;
    if (run) {
      await endProcess(run.pid, this.#options.stopSteps);
      await run.exited;
    }
    await this.#keeping;
  }

  /** A reason with the last words of the process's log. */
  async withLastWords(reason: string): Promise<string> {
    return [reason, await lastWordsIn(this.#options.logFile)].filter(Boolean).join(": ");
  }

  async #keep(first: Run | undefined): Promise<void> {
    const { signal } = this.#stopped;
    const { onProgress, beforeRestart } = this.#options;
    let run = first;
    let pauseMs = RESTART_FIRST_MS;
    let end = "it has ended";
    for (;;) {
      if (run) end = await run.exited;
      if (signal.aborted) return;
      if (run && Date.now() - run.startedAt > STABLE_MS) pauseMs = RESTART_FIRST_MS;
      onProgress(`${this.name}: ${end}; starting it again`);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      pauseMs = Math.min(pauseMs * 2, RESTART_LONGEST_MS);
      this.#restartCount++;
      try {
        await beforeRestart?.();
        run = await this.#launch();
      } catch (error) {
        // The machine may be out of processes, files or disk for a moment.
        run = this.#run;
        end = `it could not be started (${error instanceof Error ? error.message : String(error)})`;
      }
    }
  }

  async #launch(): Promise<Run> {
    this.#launching = this.#launchOnce();
    return await this.#launching;
  }

  async #launchOnce(): Promise<Run> {
    const { logFile, spawn, onSpawn, reaper, role, stopSteps, orphanSteps = stopSteps } = this.#options;
    const log = await openLog(logFile);
    if (this.#stopped.signal.aborted) {
      await log.close();
      throw new Error(`${this.name} was stopped before it could start`);
    }
    const child = spawn(log.fd);
    const { pid } = child;
    if (pid === undefined) {
      const [error] = (await once(child, "error")) as [Error];
      await log.close();
      throw error;
    }
    reaper.watch({ pid, role, steps: orphanSteps });
    const logStream = log.createWriteStream();
    logStream.on("error", () => undefined); // A full disk must not take us down with it.
    if (child.stdout) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (!this.#options.onLine?.(line)) logStream.write(`${line}\n`);
      });
    }
    const exited = new Promise<string>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#run = undefined;
        reaper.forget(pid);
        // A process that was killed could not end what it had started, such as a trainer; its successor starts it afresh.
        sendSignal(-pid, "SIGKILL");
        resolve(`it ended with ${signal ?? `exit code ${code}`}`);
      });
      child.once("close", () => logStream.end());
    });
    this.#run = { pid, startedAt: Date.now(), exited };
    onSpawn?.(pid);
    return this.#run;
  }
}
