import { open, readFile } from "node:fs/promises";
import { checkpointText, signedNote, splitNotes } from "../../core/audit/checkpoint.ts";
import { Failure } from "../../contracts/failures.ts";
import { anchorLog, chainProblem, type AuditLog, type LogProblem } from "./anchored-log.ts";
import { signText, type PrivateNoteKey, type PublicNoteKey } from "./note-key.ts";

/** Checkpoints lie in a file outside the database, one signed note after the other. */
export const DEFAULT_CHECKPOINTS = "audit-checkpoints.txt";

/** The notes of the file; none when there is no file yet. */
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

export type CheckpointOutcome =
  | { readonly written: boolean; readonly size: number; readonly note: string }
  | { readonly problem: LogProblem };

/**
 * Signs the log as it stands and appends that to the file, unless its last checkpoint says the same already. A log with a broken
 * chain, or one that does not continue every checkpoint of the file, is not signed: the key would vouch for the forgery.
 */
export async function writeCheckpoint(
  { tree, verification }: AuditLog,
  { path, key, formerKeys }: { path: string; key: PrivateNoteKey; formerKeys: readonly PublicNoteKey[] },
): Promise<CheckpointOutcome> {
  const broken = chainProblem(verification);
  if (broken) return { problem: broken };
  const notes = await loadNotes(path);
  if (notes.length > 0) {
    const { checkpoints, problem } = anchorLog(tree, notes, [key, ...formerKeys]);
    if (problem) return { problem };
    const last = notes.at(-1);
    if (last !== undefined && checkpoints.at(-1)?.size === tree.size) {
      return { written: false, size: tree.size, note: last };
    }
  }
  const text = checkpointText({ origin: key.name, size: tree.size, root: tree.root() });
  const note = signedNote(text, [signText(key, text)]);
  await append(path, note);
  return { written: true, size: tree.size, note };
}

/** One write, and on disk before anybody is told: a checkpoint somebody relies on must not vanish with the power. */
async function append(path: string, note: string): Promise<void> {
  try {
    const file = await open(path, "a");
    try {
      await file.appendFile(note);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problems = `the checkpoint cannot be written (${reason}); name another file with --out`;
    throw new Failure("INPUT_INVALID", { where: path, problems }, { cause });
  }
}
