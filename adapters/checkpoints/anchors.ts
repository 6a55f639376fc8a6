import { AUDIT_STREAM } from "../../contracts/audit.ts";
import { parseCheckpoint, type SignedCheckpoint } from "../../core/audit/checkpoint.ts";
import { findSigner, type PublicNoteKey } from "./note-key.ts";

/** A checkpoint by one of the keys. */
export interface Anchor extends SignedCheckpoint {
  readonly stream: string;
  /** The note it was read from. */
  readonly note: string;
  /** For people: which of the file's checkpoints it is. */
  readonly place: string;
}

export interface LogProblem {
  readonly kind: "modified" | "missing" | "truncated" | "forked" | "unanchored";
  /** For people: what was found, and where. */
  readonly found: string;
}

export interface Anchors {
  /** In the order of the file. */
  readonly anchors: readonly Anchor[];
  readonly problem?: LogProblem;
}

/** The log of a stream in a checkpoint: the key's name for what the product records, and that with the stream's behind a +. */
export const originOf = (keyName: string, stream: string): string =>
  stream === AUDIT_STREAM ? keyName : `${keyName}+${encodeURIComponent(stream)}`;

/**
 * Reads the notes of a file of checkpoints. `unanchored`: a note that is no checkpoint, or that none of the keys signed. With
 * `newestOnly`, of each log the checkpoint of most events alone, so that a file of years costs one signature to check.
 */
export function openAnchors(
  notes: readonly string[],
  keys: readonly PublicNoteKey[],
  { newestOnly = false }: { readonly newestOnly?: boolean } = {},
): Anchors {
  const parsed: { checkpoint: SignedCheckpoint; note: string; place: string }[] = [];
  for (const [index, note] of notes.entries()) {
    const place = `checkpoint ${index + 1} of ${notes.length}`;
    const checkpoint = parseCheckpoint(note);
    if (!checkpoint) return { anchors: [], problem: unanchored(`${place} is no signed checkpoint`) };
    parsed.push({ checkpoint, note, place });
  }
  const newest = new Map(
    [...parsed]
      .sort((one, other) => one.checkpoint.size - other.checkpoint.size)
      .map((entry) => [entry.checkpoint.origin, entry]),
  );
  const anchors: Anchor[] = [];
  for (const { checkpoint, note, place } of newestOnly ? newest.values() : parsed) {
    const stream = signedStream(checkpoint, keys);
    if (stream === null) {
      const found = `${place} is not signed by the key given for log ${checkpoint.origin}`;
      return { anchors, problem: unanchored(found) };
    }
    anchors.push({ ...checkpoint, stream, note, place });
  }
  return { anchors };
}

const unanchored = (found: string): LogProblem => ({ kind: "unanchored", found });

/** The stream a checkpoint is about, or null when none of the keys signed it for a log of its own name. */
function signedStream(checkpoint: SignedCheckpoint, keys: readonly PublicNoteKey[]): string | null {
  const signer = findSigner(keys, checkpoint);
  if (!signer) return null;
  if (checkpoint.origin === signer.name) return AUDIT_STREAM;
  // No key's name holds a +.
  const [name, encoded = ""] = checkpoint.origin.split("+");
  const stream = decode(encoded);
  return name === signer.name && stream !== null && originOf(name, stream) === checkpoint.origin ? stream : null;
}

function decode(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null;
  }
}
