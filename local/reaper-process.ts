import { readFile, rm } from "node:fs/promises";
import { createInterface } from "node:readline";

import { endProcess, processIdentity, sendSignal } from "./processes.ts";
import type { Charge, ReaperOrder } from "./reaper.ts";

const charges = new Map<number, Charge>();
const files = new Map<string, string>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as ReaperOrder;
  if (order.order === "watch") charges.set(order.charge.pid, order.charge);
  else if (order.order === "forget") charges.delete(order.pid);
  else files.set(order.path, order.content);
}

// The pipe is closed: whoever held the other end is done or gone.
for (const role of ["client", "server"] as const) {
  await Promise.all([...charges.values()].filter((charge) => charge.role === role).map(end));
}
for (const [path, content] of files) {
  const found = await readFile(path, "utf8").catch(() => undefined);
  if (found === content) await rm(path, { force: true });
}

async function end({ pid, identity, steps }: Charge): Promise<void> {
  if (processIdentity(pid) !== identity) return;
  await endProcess(pid, steps);
  // Every charge leads a process group of its own, in which a worker may have left a trainer behind.
  sendSignal(-pid, "SIGKILL");
}
