import { link, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { Failure } from "../contracts/failures.ts";
import { processIdentity, waitForEnd } from "./processes.ts";
import { createWhole } from "./whole-file.ts";

/** A process that was just killed holds its lock until the system is done with it. */
const DYING_MS = 1_000;

export interface DataDirLock {
  readonly path: string;
  readonly content: string;
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process. Fails with STACK_NOT_STARTED while another live process has it; a lock whose
 * process is gone, or whose pid now belongs to another process, is taken over.
 */
export async function lockDataDir(dataDir: string): Promise<DataDirLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, "stack.lock");
  const content = `${process.pid}\n${processIdentity(process.pid) ?? ""}\n`;
  const takenOverBy = Date.now() + DYING_MS;
  for (;;) {
    if (await createWhole(path, content))
      return { path, content, release: async () => await rm(path, { force: true }) };
    const held = await readFile(path, "utf8").catch(() => undefined);
    if (held === undefined) continue;
    const holder = livePid(held);
    if (holder === undefined) await discard(path, held);
    else if (Date.now() < takenOverBy) await waitForEnd(holder, DYING_MS);
    else throw alreadyRunning(holder, dataDir);
  }
}

/** Pid of the process that has the data directory, or `undefined` when nobody has it. */
export async function lockHolder(dataDir: string): Promise<number | undefined> {
  const held = await readFile(join(dataDir, "stack.lock"), "utf8").catch(() => undefined);
  return held === undefined ? undefined : livePid(held);
}

function livePid(held: string): number | undefined {
  const [pid, identity] = held.split("\n");
  return identity && processIdentity(Number(pid)) === identity ? Number(pid) : undefined;
}

function alreadyRunning(holder: number, dataDir: string): Failure {
  return new Failure("STACK_NOT_STARTED", {
    what: `a stack on ${dataDir}`,
    reason: `process ${holder} already runs one there`,
    wayOut: `stop it (\`kill ${holder}\`), or name another folder with MODELWRIGHT_DATA_DIR`,
  });
}

/** Moves a stale lock aside; when somebody else was quicker and the moved one is theirs, puts it back. */
async function discard(path: string, stale: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  await rename(path, aside).catch(() => undefined);
  const moved = await readFile(aside, "utf8").catch(() => undefined);
  if (moved !== undefined && moved !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
