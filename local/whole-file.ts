import { randomUUID } from "node:crypto";
import { link, rename, rm, writeFile } from "node:fs/promises";

/**
 * Creates a file that only its owner can read; false when there is one of that name. Readers find the whole content or no
 * file, and a process killed here leaves no half of it.
 */
export async function createWhole(path: string, content: string): Promise<boolean> {
  const partial = await writeBeside(path, content);
  try {
    await link(partial, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    await rm(partial, { force: true });
  }
}

/** As `createWhole`, in place of a file of that name if there is one. */
export async function replaceWhole(path: string, content: string): Promise<void> {
  await rename(await writeBeside(path, content), path);
}

async function writeBeside(path: string, content: string): Promise<string> {
  const partial = `${path}.${randomUUID()}`;
  await writeFile(partial, content, { mode: 0o600 });
  return partial;
}
