import { readFile } from "node:fs/promises";

/** Resident memory of a process; 0 when it is gone, or where the system does not say (anything but Linux). */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
