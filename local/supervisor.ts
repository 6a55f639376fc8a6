import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../contracts/failures.ts";
import { projectRoot } from "./data-directory.ts";
import { Keeper, type KeptProcess } from "./keeper.ts";
import type { Reaper } from "./reaper.ts";

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

export interface SupervisedChild extends KeptProcess {
  /** Of the process that runs now, or ran last. */
  readonly ready: ReadyLine;
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

/**
 * Keeps processes of ours running: each writes to `<dataDir>/logs/<name>.log`, is started again when it ends unasked, and
 * ends with this process, however this one ends.
 */
export function createSupervisor({ dataDir, reaper, onProgress = () => undefined }: SupervisorOptions): Supervisor {
  const children = new Map<string, Child>();
  let stopping: Promise<void> | undefined;
  return {
    children,
    async start(spec) {
      if (stopping) throw new Error("the supervisor is stopping");
      if (children.has(spec.name)) throw new Error(`a child named ${spec.name} is already there`);
      const child = new Child(spec, { dataDir, reaper, onProgress });
      children.set(spec.name, child);
      await child.start();
      return child;
    },
    async stop() {
      stopping ??= (async () => {
        for (const child of [...children.values()].toReversed()) await child.stop();
      })();
      await stopping;
    },
  };
}

/** One of our programs, kept, with the ready line that it prints at each start. */
class Child implements SupervisedChild {
  readonly #spec: ChildSpec;
  readonly #keeper: Keeper;
  readonly #logFile: string;
  readonly #firstReady: Promise<ReadyLine>;
  #ready: ReadyLine = {};

  constructor(spec: ChildSpec, { dataDir, reaper, onProgress }: Required<SupervisorOptions>) {
    this.#spec = spec;
    this.#logFile = join(dataDir, "logs", `${spec.name}.log`);
    let becomeReady: (line: ReadyLine) => void = () => undefined;
    this.#firstReady = new Promise((resolve) => (becomeReady = resolve));
    const preload = new URL("exit-with-parent.mjs", import.meta.url).href;
    const bundled = fileURLToPath(new URL("../adapters/compute/bundled.mjs", import.meta.url));
    this.#keeper = new Keeper({
      name: spec.name,
      logFile: this.#logFile,
      role: "client",
      stopSteps: [{ signal: "SIGTERM", graceMs: spec.stopGraceMs ?? 15_000 }],
      orphanSteps: [{ signal: "SIGTERM", graceMs: 5_000 }],
      reaper,
      onProgress,
      spawn: (log) =>
        spawn(process.execPath, ["--import", preload, bundled, spec.entry], {
          cwd: projectRoot,
          env: spec.env,
          detached: true,
          stdio: ["ignore", "pipe", log, "ipc"],
        }),
      onLine: (line) => {
        const parsed = parseReadyLine(line);
        if (!parsed) return false;
        this.#ready = parsed;
        becomeReady(parsed);
        return true;
      },
    });
  }

  get name(): string {
    return this.#spec.name;
  }

  get pid(): number | undefined {
    return this.#keeper.pid;
  }

  get restartCount(): number {
    return this.#keeper.restartCount;
  }

  get ready(): ReadyLine {
    return this.#ready;
  }

  async start(): Promise<void> {
    const { exited } = await this.#keeper.start();
    const withinMs = this.#spec.readyWithinMs ?? 60_000;
    const late = sleep(withinMs, `it was not ready within ${withinMs / 1000} s`, { ref: false });
    const outcome = await Promise.race([this.#firstReady, exited, late]);
    if (typeof outcome === "string") {
      await this.stop();
      throw new Failure("STACK_NOT_STARTED", {
        what: this.name,
        reason: await this.#keeper.withLastWords(outcome),
        wayOut: `see ${this.#logFile}`,
      });
    }
    this.#keeper.keep();
  }

  async stop(): Promise<void> {
    await this.#keeper.stop();
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
