import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";

const OWNER = "owner.json";
/** Who journals here; stays when the owner is gone. */
const GATEWAY = "gateway";
const BEAT_MS = 5_000;
/** Tells this process from one before it that had its id, as the first process of a container always has. Its threads are told. */
export const OWN_RUN = randomUUID();

interface Owner {
  readonly hostname: string;
  readonly pid: number;
  readonly run: string;
}

/** Makes a spool's folder and says, until released, that its gateway lives. */
export async function claimSpool(
  directory: string,
  gateway: string,
): Promise<{ readonly release: () => Promise<void> }> {
  // Made beside its place: nobody may ever see it without its owner.
  const incoming = join(dirname(directory), `.${randomUUID()}`);
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  const owner: Owner = { hostname: hostname(), pid: process.pid, run: OWN_RUN };
  await writeFile(join(incoming, OWNER), JSON.stringify(owner), { mode: 0o600 });
  await writeFile(join(incoming, GATEWAY), gateway, { mode: 0o600 });
  await rename(incoming, directory);
  const path = join(directory, OWNER);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  return {
    release: async () => {
      clearInterval(beat);
      await rm(path, { force: true });
    },
  };
}

/** Whose requests a spool holds; null for one of a release that did not say. */
export const readGateway = (directory: string): Promise<string | null> =>
  readFile(join(directory, GATEWAY), "utf8").catch(() => null);

/** What a look at the spools found. */
export interface SpoolLook {
  readonly abandoned: readonly string[];
  /** When each of the others last said that it lives. */
  readonly beats: ReadonlyMap<string, number>;
}

/**
 * Looks for spools below `root` whose gateway is gone: it said so, its process on this host ended, or it said nothing since the look
 * before, which must be several beats ago. No clock is compared with another, so a host that slept is not mistaken for a dead one.
 *
 * @param run `OWN_RUN` of this process
 */
export async function lookForSpools(root: string, run: string, before: SpoolLook["beats"]): Promise<SpoolLook> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
  const abandoned: string[] = [];
  const beats = new Map<string, number>();
  for (const name of names) {
    const beatAt = await readBeat(join(root, name, OWNER), run);
    if (beatAt === null || beatAt === before.get(name)) abandoned.push(name);
    else beats.set(name, beatAt);
  }
  return { abandoned, beats };
}

/** Null for a spool that is certainly nobody's any more. */
async function readBeat(ownerPath: string, ownRun: string): Promise<number | null> {
  try {
    const { mtimeMs } = await stat(ownerPath);
    const owner = JSON.parse(await readFile(ownerPath, "utf8")) as Owner;
    return owner.hostname === hostname() && !isRunning(owner, ownRun) ? null : mtimeMs;
  } catch {
    return null;
  }
}

function isRunning({ pid, run }: Owner, ownRun: string): boolean {
  if (pid === process.pid) return run === ownRun;
  try {
    process.kill(pid, 0);
    return true;
  } catch (problem) {
    return problem instanceof Error && "code" in problem && problem.code === "EPERM";
  }
}
