import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { findAddresses } from "../client/addresses.ts";
import { resolveDataDir } from "./data-directory.ts";

/**
 * The address of the database's owner: DATABASE_ADMIN_URL, else, where the environment names no database, that of the embedded one
 * whose stack runs on this data directory. Its password is in a file that only who started the stack can read.
 * Undefined when neither is there.
 */
export async function findOwnerAddress(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (env["DATABASE_ADMIN_URL"] || env["DATABASE_URL"]) return env["DATABASE_ADMIN_URL"];
  const dataDir = resolveDataDir(env);
  const password = await readFile(join(dataDir, "postgres.password"), "utf8").catch(() => undefined);
  if (password === undefined) return undefined;
  const address = new URL((await findAddresses({ MODELWRIGHT_DATA_DIR: dataDir })).database);
  address.username = "postgres";
  address.password = password;
  // A server of somebody's own has another owner, though an embedded one once ran here.
  return address.hostname === "127.0.0.1" ? address.href : undefined;
}
