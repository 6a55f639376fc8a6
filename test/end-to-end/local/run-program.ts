import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { tsxLoader } from "../../../local/reaper.ts";
import { isAlive } from "../../../local/processes.ts";

export interface RunningProgram {
  readonly process: ChildProcess;
  /** The JSON line it printed first. */
  readonly said: Record<string, unknown> & { readonly pids: Readonly<Record<string, number>> };
}

/** Environment without the names that would make the stack use servers of somebody else. */
export const ownServersEnv: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !["DATABASE_URL", "DATABASE_ADMIN_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"].includes(name),
  ),
);

/** Runs a program of `programs/` in a process group of its own, until it has printed its JSON line. */
export async function runProgram(
  name: string,
  args: readonly string[],
  prefix: readonly string[] = [],
): Promise<RunningProgram> {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const [command = "", ...rest] = [...prefix, process.execPath, "--import", tsxLoader(), path, ...args];
  const child = spawn(command, rest, { detached: true, env: ownServersEnv, stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([text]: unknown[]) => String(text)),
    once(child, "exit").then(([code, signal]: unknown[]) => {
      throw new Error(`${name} ended with ${String(code ?? signal)}: ${complaint}`);
    }),
  ]);
  return { process: child, said: JSON.parse(line) as RunningProgram["said"] };
}

/** Resolves with the exit code, or the name of the signal that ended it. */
export async function exitOf(child: ChildProcess): Promise<number | string> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.signalCode ?? child.exitCode ?? "unknown";
}

/** Names of those that are still alive; for `vi.waitUntil`. */
export function survivors(pids: Readonly<Record<string, number>>): string[] {
  return Object.entries(pids)
    .filter(([, pid]) => isAlive(pid))
    .map(([name]) => name);
}
