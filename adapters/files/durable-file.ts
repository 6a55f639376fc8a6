import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Written beside its place, fsynced and renamed: after a power cut there is the old file or the new one. */
export async function writeDurably(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // Replicas may share the directory, and in containers they share the process id as well.
  const incoming = `${path}.${randomUUID()}`;
  const file = await open(incoming, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(content));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(incoming, path);
}

/** What was written there; null when there is no file, or none that can be read. */
export async function readDurable(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as unknown;
  } catch {
    return null;
  }
}
