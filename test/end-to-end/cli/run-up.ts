import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { environmentFor, executable } from "./run-cli.ts";

export interface Up {
  /** The one line it printed. */
  readonly line: string;
  /** Ends it as Ctrl-C in its terminal does; resolves with its exit code and what it printed after the line. */
  readonly interrupt: () => Promise<{ readonly exitCode: number | string; readonly after: readonly string[] }>;
}

/** Runs `up --json` in a process group of its own, as a terminal does, until it says that everything answers. */
export async function runUp(directory: string): Promise<Up> {
  const child = spawn(process.execPath, [executable, "up", "--json"], {
    cwd: directory,
    env: environmentFor(directory),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const lines: string[] = [];
  const first = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      resolve(line);
    });
  });
  const line = await Promise.race([first, ended.then(() => undefined)]);
  if (line === undefined) throw new Error(`up ended before it was ready: ${errors}`);
  return {
    line,
    interrupt: async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), "SIGINT");
      const [exitCode, signal] = await ended;
      return { exitCode: signal ?? exitCode ?? "unknown", after: lines.slice(1) };
    },
  };
}
