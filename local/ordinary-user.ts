import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, cp, lstat, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Failure } from "../contracts/failures.ts";
import { binariesIn, type PostgresBinaries } from "./postgres-binaries.ts";

/** How PostgreSQL is run, which refuses to run as root. */
export interface PostgresLaunch {
  readonly binaries: PostgresBinaries;
  /** Existing folder in which the cluster's own folder lies. */
  readonly clusterParent: string;
  /** Put before the executable, as in `unshare ... postgres`. */
  readonly prefix: readonly string[];
  /** Owner of the cluster's files and, where it differs from ours, of the process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** True when the process must be started with the owner's ids. */
  readonly switchUser: boolean;
}

/**
 * Chooses how to run PostgreSQL as an ordinary user: as ourselves unless we are root; else as user 1000 of an own user
 * namespace, which keeps every file where it is, even below folders only root may enter; else, where namespaces are
 * forbidden (as in most containers), as `nobody`, with binaries and data moved to where `nobody` may go if need be.
 */
export async function choosePostgresLaunch(options: {
  readonly binaries: PostgresBinaries;
  readonly dataDir: string;
  readonly onProgress: (line: string) => void;
}): Promise<PostgresLaunch> {
  const { binaries, dataDir, onProgress } = options;
  if (process.getuid?.() !== 0) return { binaries, clusterParent: dataDir, prefix: [], switchUser: false };

  const prefix = ["unshare", "--user", "--map-user=1000"];
  const inNamespace = tryRun([...prefix, binaries.postgres, "--version"]);
  if (inNamespace === undefined) {
    return { binaries, clusterParent: dataDir, prefix, owner: { uid: 0, gid: 0 }, switchUser: false };
  }
  onProgress(`postgres as root: no user namespace (${inNamespace}); running as nobody instead`);
  return await launchAsNobody(options);
}

async function launchAsNobody(options: {
  readonly binaries: PostgresBinaries;
  readonly dataDir: string;
  readonly onProgress: (line: string) => void;
}): Promise<PostgresLaunch> {
  const nobody = { uid: idOf("-u"), gid: idOf("-g") };
  const launch = { prefix: [], owner: nobody, switchUser: true };
  let { binaries } = options;
  if (tryRun([binaries.postgres, "--version"], nobody) !== undefined) {
    const copy = await copyBinaries(binaries);
    options.onProgress(`postgres as nobody: it may not enter ${binaries.root}; using a copy in ${copy.root}`);
    binaries = copy;
    const problem = tryRun([binaries.postgres, "--version"], nobody);
    if (problem !== undefined) {
      throw new Failure("STACK_NOT_STARTED", {
        what: "Postgres",
        reason: `it refuses to run as root, and neither a user namespace nor the user nobody can run it (${problem})`,
        wayOut: "start Modelwright as an ordinary user, or set DATABASE_URL to a server you run",
      });
    }
  }
  if (tryRun(["/bin/sh", "-c", 'cd "$1"', "sh", options.dataDir], nobody) === undefined) {
    return { ...launch, binaries, clusterParent: options.dataDir };
  }
  const clusterParent = join(openFolder(), `modelwright-data-${shortDigest(options.dataDir)}`);
  await claimFolder(clusterParent);
  options.onProgress(`postgres as nobody: it may not enter ${options.dataDir}; its data lies in ${clusterParent}`);
  return { ...launch, binaries, clusterParent };
}

/** Gives a folder and all below to the user that will run PostgreSQL, when an earlier run had used another one. */
export async function giveTo(owner: { readonly uid: number; readonly gid: number }, folder: string): Promise<void> {
  if ((await lstat(folder)).uid === owner.uid) return;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chown(join(entry.parentPath, entry.name), owner.uid, owner.gid);
  }
  await chown(folder, owner.uid, owner.gid); // Last: an interrupted hand-over is taken up again.
}

async function copyBinaries(binaries: PostgresBinaries): Promise<PostgresBinaries> {
  const home = join(openFolder(), `modelwright-postgres-${binaries.version}-${shortDigest(binaries.root)}`);
  await claimFolder(home);
  const target = join(home, "native");
  if (!existsSync(target)) {
    const partial = await mkdtemp(join(home, "partial-"));
    await cp(binaries.root, join(partial, "native"), { recursive: true, verbatimSymlinks: true });
    // A second stack may have been quicker; its copy is as good.
    await rename(join(partial, "native"), target).catch(() => undefined);
    await rm(partial, { recursive: true, force: true });
  }
  return binariesIn(target, binaries.version);
}

/** Creates a folder all may enter and only we may write to, in a place where others could have put one of that name. */
async function claimFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  const found = await lstat(path);
  if (found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0) return;
  throw new Failure("STACK_NOT_STARTED", {
    what: "Postgres",
    reason: `${path} exists and is not a folder that only root may write to`,
    wayOut: "remove it, or set DATABASE_URL to a server you run",
  });
}

/** /var/tmp outlives a restart of the machine, os.tmpdir() often does not. */
function openFolder(): string {
  return existsSync("/var/tmp") ? "/var/tmp" : tmpdir();
}

function shortDigest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function idOf(flag: "-u" | "-g"): number {
  const id = Number(spawnSync("id", [flag, "nobody"], { encoding: "utf8" }).stdout.trim());
  return Number.isInteger(id) && id > 0 ? id : 65_534;
}

/** Runs a command to its end; `undefined` when it went well, else the reason in a few words. */
function tryRun(command: readonly string[], user?: { readonly uid: number; readonly gid: number }): string | undefined {
  const [file = "", ...args] = command;
  const result = spawnSync(file, args, { encoding: "utf8", timeout: 10_000, ...user });
  if (result.error) return result.error.message;
  if (result.status === 0) return undefined;
  return result.stderr.trim().split("\n").at(-1) || `exit ${result.status ?? result.signal}`;
}
