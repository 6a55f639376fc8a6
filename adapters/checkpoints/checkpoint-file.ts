import { open, readFile } from "node:fs/promises";
import { splitNotes } from "../../core/audit/checkpoint.ts";
import { Failure } from "../../contracts/failures.ts";

/** The notes of a file of checkpoints, one signed note after the other; none when there is no file yet. @throws INPUT_INVALID */
export async function loadNotes(path: string): Promise<string[]> {
  try {
    return splitNotes(await readFile(path, "utf8"));
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return [];
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const problems = `it cannot be read as a file of checkpoints (${reason}); name another file`;
    throw new Failure("INPUT_INVALID", { where: path, problems }, { cause: thrown });
  }
}

/**
 * Appends notes to the file in one write, on disk before anybody is told: a checkpoint somebody relies on must not vanish with the
 * power. @throws INPUT_INVALID
 */
export async function appendNotes(path: string, notes: readonly string[]): Promise<void> {
  if (notes.length === 0) return;
  try {
    const file = await open(path, "a");
    try {
      await file.appendFile(notes.join(""));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problems = `the checkpoint cannot be written (${reason}); name another file`;
    throw new Failure("INPUT_INVALID", { where: path, problems }, { cause });
  }
}
