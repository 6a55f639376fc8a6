import { mkdir, open, readFile, rename, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";

/** Past this size a log is set aside as `<name>.1` when it is next opened: two such files are the most one process leaves. */
const KEEP_BYTES = 10 * 1024 * 1024;

/** Opens a log for appending, readable by its owner only; creates its folder. */
export async function openLog(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > KEEP_BYTES) await rename(path, `${path}.1`);
  return await open(path, "a", 0o600);
}

/**
 * What a process that failed said last, as one line for an error message: the last line that names an error, since Node
 * prints a stack and its version after it, else the last line. Empty when there is no log.
 */
export async function lastWordsIn(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text.trim().split("\n").slice(-60);
  const named = lines.findLast((line) => /^\S*(Error|Failure)\b.*: |\b(FATAL|ERROR): /.test(line));
  return (named ?? lines.at(-1) ?? "").slice(0, 600);
}
