import { fork, type ChildProcess, type ForkOptions } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Runs TypeScript programs, whatever the parent was started with (a test runner, another working directory). */
const bundled = fileURLToPath(new URL("./bundled.mjs", import.meta.url));

/** Forks one of our programs by its address, with a channel for structured values. */
export const forkProgram = (entry: URL, options: ForkOptions, words: readonly string[] = []): ChildProcess =>
  fork(bundled, [fileURLToPath(entry), ...words], { ...options, execArgv: [], serialization: "advanced" });

/** Runs one of our programs in a thread of this process. */
export const startThread = (entry: URL, options: WorkerOptions): Worker =>
  new Worker(bundled, { ...options, argv: [fileURLToPath(entry)], execArgv: [] });
