import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { onTestFinished } from "vitest";

import { isAlive } from "../../../local/processes.ts";
import { tsxLoader } from "../../../local/reaper.ts";

export interface Program {
  readonly process: ChildProcess;
  /** Resolves with the first line of its output that is accepted; rejects when it ends before. */
  line(accept: (text: string) => boolean): Promise<string>;
}

export interface RunningProgram {
  readonly process: ChildProcess;
  /** The JSON line it printed first. */
  readonly said: Record<string, unknown> & { readonly pids: Readonly<Record<string, number>> };
}

const namesOfOthersServers = new Set(["DATABASE_URL", "DATABASE_ADMIN_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"]);

/** Environment without the names that would make the stack use servers of somebody else. */
export const ownServersEnv: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !namesOfOthersServers.has(name)),
);

/** Starts a program of `programs/` in a process group of its own; a test that fails does not leave it running. */
export function startProgram(name: string, args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--import", tsxLoader(), path, ...args], {
    detached: true,
    env: ownServersEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const lines = createInterface({ input: child.stdout });
  const line: Program["line"] = async (accept) =>
    await new Promise((resolve, reject) => {
      lines.on("line", (text) => {
        if (accept(text)) resolve(text);
      });
      child.once("exit", (code, signal) => reject(new Error(`${name} ended with ${code ?? signal}: ${complaint}`)));
    });
  return { process: child, line };
}

/** Starts a program and waits for its JSON line. */
export async function runProgram(name: string, args: readonly string[]): Promise<RunningProgram> {
  const program = startProgram(name, args);
  const text = await program.line(() => true);
  return { process: program.process, said: JSON.parse(text) as RunningProgram["said"] };
}

/** Resolves with the exit code, or the name of the signal that ended it. */
export async function exitOf(child: ChildProcess): Promise<number | string> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.signalCode ?? child.exitCode ?? "unknown";
}

/** Names of those that are still alive. */
export function survivors(pids: Readonly<Record<string, number>>): string[] {
  return Object.entries(pids)
    .filter(([, pid]) => isAlive(pid))
    .map(([name]) => name);
}

/** Command lines of the live processes that work for a stack on this folder (Linux): its servers, its children, its program. */
export async function processesOf(folder: string): Promise<string[]> {
  // Not any mention of the folder: somebody's `grep` may name it too.
  const marks = [`${folder}/postgres`, `${folder}/temporal.db`, `.ts\0${folder}\0`, `MODELWRIGHT_DATA_DIR=${folder}\0`];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && isAlive(Number(name)));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      const isOurs = marks.some((mark) => command.includes(mark) || environment.includes(mark));
      return isOurs ? [command.replaceAll("\0", " ")] : [];
    }),
  );
  return found.flat();
}
