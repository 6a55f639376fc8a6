import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What decides what an activity does: our sources below it, and the packages that are locked for them. */
const ACTIVITY_SOURCES = ["activities", "adapters", "contracts", "core", "db", "package-lock.json"];

/** SHA-256 over the sources activities run, in hexadecimal digits: every execution says which code made what it made. */
export async function activityCodeDigest(): Promise<string> {
  const files = await Promise.all(ACTIVITY_SOURCES.map(filesOf));
  const hash = createHash("sha256");
  for (const file of files.flat().sort()) hash.update(`${file}\n`).update(await readFile(join(root, file)));
  return hash.digest("hex");
}

async function filesOf(source: string): Promise<string[]> {
  if (source.includes(".")) return [source];
  const entries = await readdir(join(root, source), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll(sep, "/"));
}
