import { spawn, type ChildProcess } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import { Failure } from "../../contracts/failures.ts";
import { createBoundedLog } from "./bounded-log.ts";
import { readLines } from "./read-lines.ts";

export interface CommandRun {
  /** Program and arguments; there is no shell. */
  readonly command: readonly string[];
  readonly workingDirectory: string;
  /** The whole environment of the program. */
  readonly environment: Readonly<Record<string, string>>;
  /** Receives its output, up to a bound. */
  readonly logPath: string;
  /** Holds the process id while it runs. */
  readonly pidPath: string;
  readonly timeoutMs: number;
  /** Longest time without a byte on standard output or standard error. */
  readonly silenceMs: number;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
  /** Sees each line of standard output; returns true when the line is not for the log. */
  readonly onLine: (line: string) => boolean;
}

/** Output still in the pipes after the exit is waited for this long; a daemon may hold them open for ever. */
const LAST_OUTPUT_MS = 1_000;

/**
 * Runs a program until it exits with 0. It leads a process group, and when this returns or throws the whole group is gone.
 * Its standard input is a pipe that is never written: it closes when this process dies, whatever the reason, and so tells a
 * program that listens to stop.
 *
 * @throws TRAINER_EXITED, TRAINER_SILENT, TRAINER_TIMEOUT; FILE_MISSING when there is no such program; the signal's reason on abort
 */
export async function runCommand(run: CommandRun): Promise<void> {
  run.signal.throwIfAborted();
  const [program = "", ...parameters] = run.command;
  const child = spawn(program, parameters, {
    cwd: run.workingDirectory,
    env: { ...run.environment },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exit = waitForExit(child);
  const pid = await waitForStart(child, program);
  child.stdin.on("error", () => {}); // the program may close its end, that is its right
  const log = createBoundedLog(run.logPath);
  const watch = watchLimits(run, pid);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", watch.heard);
  const output = readLines(child.stdout, (line) => {
    if (!run.onLine(line)) log.write("output", line);
  });
  const errors = readLines(child.stderr, (line) => log.write("error", line));
  try {
    await writeFile(run.pidPath, `${pid}\n`);
    const ended = await exit;
    signalGroup(pid, "SIGKILL");
    await Promise.race([Promise.all([output, errors]), pause(LAST_OUTPUT_MS, undefined, { ref: false })]);
    if (watch.stopped !== null) throw watch.stopped;
    if (ended !== "code 0") {
      throw new Failure("TRAINER_EXITED", { command: run.command.join(" "), exit: ended, tail: log.tail() });
    }
  } finally {
    watch.end();
    signalGroup(pid, "SIGKILL");
    for (const stream of child.stdio) stream?.destroy();
    await log.close();
    await rm(run.pidPath, { force: true });
  }
}

/** Listening starts before anything is awaited, so that the exit of a short program is not missed. */
function waitForExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
  });
}

async function waitForStart(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => resolve(child.pid ?? 0));
    child.on("error", (error: NodeJS.ErrnoException) => {
      const what = { ENOENT: "trainer program", EACCES: "trainer program, it exists but may not be executed" };
      const missing = error.code === "ENOENT" || error.code === "EACCES" ? what[error.code] : null;
      reject(
        missing === null ? error : new Failure("FILE_MISSING", { path: program, what: missing }, { cause: error }),
      );
    });
  });
}

interface LimitWatch {
  /** Why the program was asked to stop, or null. */
  readonly stopped: Error | null;
  readonly heard: () => void;
  readonly end: () => void;
}

/** Asks the group to stop when a limit is passed or the caller aborts, and kills it when it does not. */
function watchLimits(run: CommandRun, pid: number): LimitWatch {
  const command = run.command.join(" ");
  const timers: NodeJS.Timeout[] = [];
  let stopped: Error | null = null;
  const stop = (reason: Error): void => {
    if (stopped !== null) return;
    stopped = reason;
    signalGroup(pid, "SIGTERM");
    timers.push(setTimeout(() => signalGroup(pid, "SIGKILL"), run.graceMs));
  };
  const allowedMs = run.timeoutMs;
  timers.push(setTimeout(() => stop(new Failure("TRAINER_TIMEOUT", { command, allowedMs })), run.timeoutMs));
  const silence = setTimeout(() => {
    stop(new Failure("TRAINER_SILENT", { command, silentMs: run.silenceMs, allowedMs: run.silenceMs }));
  }, run.silenceMs);
  timers.push(silence);
  const abort = () => stop(run.signal.reason as Error);
  run.signal.addEventListener("abort", abort, { once: true });
  if (run.signal.aborted) abort();
  return {
    get stopped() {
      return stopped;
    },
    heard: () => {
      if (stopped === null) silence.refresh();
    },
    end: () => {
      for (const timer of timers) clearTimeout(timer);
      run.signal.removeEventListener("abort", abort);
    },
  };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: nobody is left. EPERM: macOS says so of a group in which only zombies are left.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
