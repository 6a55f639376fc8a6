import { execFile } from "node:child_process";
import { readdir, readFile, rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

/** Environment variable of every trainer: the path of its manifest. It marks the trainer and all it starts as ours. */
export const MANIFEST_VARIABLE = "MODELWRIGHT_MANIFEST";

export interface TrainerPlace {
  readonly manifestPath: string;
  readonly pidPath: string;
}

const LONGEST_WAIT_MS = 5_000;

/**
 * Kills what is left of an earlier trainer with this manifest, whose worker died without ending it, and waits until it is
 * gone: two trainers must not write the same files. Only processes that are proven to be that trainer are touched; a process
 * id alone proves nothing, since ids are used again.
 */
export async function endLeftOverTrainer(place: TrainerPlace): Promise<void> {
  const find = process.platform === "linux" ? findByEnvironment : findByPidFile;
  const deadline = Date.now() + LONGEST_WAIT_MS;
  for (let found = await find(place); found.length > 0 && Date.now() < deadline; found = await find(place)) {
    for (const target of found) kill(target);
    await pause(20);
  }
  await rm(place.pidPath, { force: true });
}

/** Process ids whose environment names the manifest: the trainer and all descendants, also those that left its group. */
async function findByEnvironment({ manifestPath }: TrainerPlace): Promise<number[]> {
  const mark = `${MANIFEST_VARIABLE}=${manifestPath}`;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      // Processes of other users and those that end meanwhile cannot be read; they are not ours.
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(mark);
    }),
  );
  return pids.filter((pid, i) => marked[i] === true && pid !== process.pid);
}

/** Elsewhere: the recorded process group, when its leader's command line names the manifest. */
export async function findByPidFile({ manifestPath, pidPath }: TrainerPlace): Promise<number[]> {
  const pid = Number(await readFile(pidPath, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 1) return [];
  const shown = await promisify(execFile)("ps", ["-ww", "-o", "command=", "-p", String(pid)]).catch(() => null);
  return shown?.stdout.trimEnd().endsWith(manifestPath) === true ? [-pid] : [];
}

/** A negative target is a process group. */
function kill(target: number): void {
  try {
    process.kill(target, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
