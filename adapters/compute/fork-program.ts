import { fork, type ChildProcess, type ForkOptions } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Runs TypeScript programs, whatever the parent was started with (a test runner, another working directory). */
const bundled = fileURLToPath(new URL("./bundled.mjs", import.meta.url));

/** Forks one of our programs by its address, with a channel for structured values. */
export const forkProgram = (entry: URL, options: ForkOptions): ChildProcess =>
  fork(bundled, [fileURLToPath(entry)], { ...options, execArgv: [], serialization: "advanced" });
