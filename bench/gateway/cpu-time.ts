import { readdir, readFile } from "node:fs/promises";

/** Linux counts processor time in these, whatever the machine. */
const MICROSECONDS_PER_TICK = 10_000;

interface ProcessTimes {
  readonly parent: number;
  readonly command: string;
  /** Of the process and of its children that have ended. */
  readonly microseconds: number;
}

/** Processor time, user and system, that each process of this machine has taken. Linux only: elsewhere nothing is known. */
export async function readCpuTimes(): Promise<ReadonlyMap<number, ProcessTimes>> {
  const names = await readdir("/proc").catch(() => []);
  const times = new Map<number, ProcessTimes>();
  for (const pid of names.filter((name) => /^\d+$/.test(name)).map(Number)) {
    const [stat, command] = await Promise.all(
      ["stat", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "")),
    );
    // The name of the program is in brackets and may hold anything.
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    times.set(pid, { parent: Number(fields[1]), command: command ?? "", microseconds: ticks * MICROSECONDS_PER_TICK });
  }
  return times;
}

/** What a process and those below it took between two readings, as far as their command lines fit. */
export function cpuBetween(
  before: ReadonlyMap<number, ProcessTimes>,
  after: ReadonlyMap<number, ProcessTimes>,
  root: number,
  fits: (command: string) => boolean = () => true,
): number {
  const isBelow = (pid: number): boolean => pid === root || (after.has(pid) && isBelow(after.get(pid)?.parent ?? -1));
  let sum = 0;
  for (const [pid, { command, microseconds }] of after) {
    if (isBelow(pid) && fits(command)) sum += microseconds - (before.get(pid)?.microseconds ?? 0);
  }
  return sum;
}
