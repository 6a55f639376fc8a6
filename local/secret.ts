import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";

/**
 * A random password of 24 bytes that stays the same from the first call on, in a file only its owner can read. It is put in
 * place whole: a process killed here leaves no empty password behind.
 */
export async function loadSecret(path: string): Promise<string> {
  const known = await readFile(path, "utf8").catch(() => undefined);
  if (known !== undefined) return known;
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, randomBytes(24).toString("base64url"), { mode: 0o600 });
  await link(partial, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await rm(partial, { force: true });
  return await readFile(path, "utf8");
}
