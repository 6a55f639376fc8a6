import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * The key of hashed fields: made once, shared by the gateways of a data folder, and nowhere else. Whoever deletes it and starts the gateways
 * again makes earlier hashes those of nobody.
 */
export async function loadLogSalt(path: string): Promise<Uint8Array> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, randomBytes(32), { flag: "wx", mode: 0o600 });
  } catch (problem) {
    if (!(problem instanceof Error && "code" in problem && problem.code === "EEXIST")) throw problem;
  }
  return await readFile(path);
}
