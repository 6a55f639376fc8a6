import { readFileSync, readlinkSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** True when a process with this pid exists, whoever owns it. A zombie counts as ended: it can do nothing any more. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return statusFields(pid)?.state !== "Z";
}

/**
 * What tells this process apart from a later one that was given the same pid: its start time. `undefined` when it is gone.
 * Linux answers from /proc because small images carry no `ps`; elsewhere `ps` is part of the system.
 */
export function processIdentity(pid: number): string | undefined {
  if (process.platform === "linux") {
    const fields = statusFields(pid);
    return fields?.state === "Z" ? undefined : fields?.startTicks;
  }
  return ask("ps", ["-o", "lstart=", "-p", String(pid)]);
}

/** True when the process works in this folder (Linux) or names it in its command line (elsewhere). */
export function belongsToFolder(pid: number, folder: string): boolean {
  if (process.platform !== "linux") return ask("ps", ["-o", "command=", "-p", String(pid)])?.includes(folder) ?? false;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === folder;
  } catch {
    return false;
  }
}

/** Sends a signal and says whether somebody was there to receive it. A negative pid means the process group. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the process is gone; false when it still lives after `withinMs`. */
export async function waitForEnd(pid: number, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isAlive(pid)) {
    if (Date.now() >= deadline) return false;
    await sleep(20);
  }
  return true;
}

/**
 * Ends a process: each signal in turn with its grace, then SIGKILL. Returns when it is gone. Only for a pid whose identity
 * the caller has checked, or that is the caller's own child.
 */
export async function endProcess(
  pid: number,
  steps: readonly { signal: NodeJS.Signals; graceMs: number }[],
): Promise<void> {
  for (const { signal, graceMs } of steps) {
    if (!sendSignal(pid, signal) || (await waitForEnd(pid, graceMs))) return;
  }
  sendSignal(pid, "SIGKILL");
  await waitForEnd(pid, 5_000);
}

function statusFields(pid: number): { state: string; startTicks: string } | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses and may hold spaces: count from the last parenthesis (proc_pid_stat(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startTicks: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function ask(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() || undefined;
  } catch {
    return undefined;
  }
}
