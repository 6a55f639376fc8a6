import { readdirSync } from "node:fs";

/** Where the migrations of this release are. */
export const MIGRATIONS = new URL("./migrations/", import.meta.url);

/** Number of this release's newest migration, as in `0012`: the schema it was written for. */
const RELEASE = migrationNames(readdirSync(MIGRATIONS)).at(-1)?.slice(0, 4) ?? "0000";

/**
 * What sessions of this release call themselves, as in `modelwright/0012`. `migrate` reads it: it takes nothing away from the
 * schema while sessions of a release are connected that may still use it.
 */
export const APPLICATION_NAME = `modelwright/${RELEASE}`;

/** The migrations among a folder's files, in their order. */
export function migrationNames(files: readonly string[]): string[] {
  return files.filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
}
