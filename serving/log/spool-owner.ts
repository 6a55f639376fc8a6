import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const OWNER = "owner.json";
const BEAT_MS = 5_000;
/** A gateway that did not say for so long that it lives has left its spool behind. */
const SILENT_MS = 60_000;

/** Makes a spool's folder and says, until released, that its gateway lives. */
export async function claimSpool(directory: string): Promise<{ readonly release: () => Promise<void> }> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, OWNER);
  await writeFile(path, JSON.stringify({ hostname: hostname(), pid: process.pid }), { mode: 0o600 });
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

/**
 * Names of the spools below `root` whose gateway is gone: it said so, its process on this host ended, or it is silent. Mistaking one that only
 * sleeps costs nothing: the database takes each stretch once, whoever brings it.
 */
export async function findAbandonedSpools(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries
      .filter((entry) => entry.isDirectory())
      .map(async ({ name }) => ((await isAbandoned(join(root, name, OWNER))) ? [name] : [])),
  );
  return found.flat();
}

async function isAbandoned(ownerPath: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(ownerPath);
    const owner = JSON.parse(await readFile(ownerPath, "utf8")) as { hostname: string; pid: number };
    return Date.now() - mtimeMs > SILENT_MS || (owner.hostname === hostname() && !isRunning(owner.pid));
  } catch {
    return true;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (problem) {
    return problem instanceof Error && "code" in problem && problem.code === "EPERM";
  }
}
