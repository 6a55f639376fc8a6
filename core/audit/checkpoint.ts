import { HASH_BYTES } from "./merkle-hash.ts";

/** A statement about a log: so many events with this root. */
export interface Checkpoint {
  /** Names the log, one line: `modelwright/modelwright`. */
  readonly origin: string;
  readonly size: number;
  /** Of the Merkle tree, 32 bytes. */
  readonly root: Uint8Array;
}

export interface NoteSignature {
  /** Name of the key, without blanks and `+`. */
  readonly name: string;
  /** Key id, 4 bytes, then the signature. */
  readonly bytes: Uint8Array;
}

/** A checkpoint as it lies in a file: `text` is what is signed, byte by byte. */
export interface SignedCheckpoint extends Checkpoint {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** What is signed: origin, size and root a line each, no extension lines. Source: C2SP tlog-checkpoint. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${encodeBase64(root)}\n`;

/** A signed note: the text, an empty line, a line a signature. Source: C2SP signed-note. */
export const signedNote = (text: string, signatures: readonly NoteSignature[]): string =>
  `${text}\n${signatures.map(({ name, bytes }) => `— ${name} ${encodeBase64(bytes)}\n`).join("")}`;

const SIGNATURE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/;

/**
 * Reads one signed note, or null when it is not exactly one: a missing line, a size with leading zeros, a root of another length,
 * no signature line. Says nothing about whether a signature is right. Extension lines are kept in `text`.
 */
export function parseCheckpoint(note: string): SignedCheckpoint | null {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) return null;
  const text = note.slice(0, split + 1);
  const [origin = "", sizeText = "", rootText = "", ...extensions] = text.slice(0, -1).split("\n");
  const root = decodeBase64(rootText);
  const size = Number(sizeText);
  const whole = /^(0|[1-9][0-9]*)$/.test(sizeText) && Number.isSafeInteger(size);
  if (origin === "" || !whole || root?.length !== HASH_BYTES || extensions.includes("")) return null;
  const signatures: NoteSignature[] = [];
  for (const line of note.slice(split + 2, -1).split("\n")) {
    const [, name = "", encoded = ""] = SIGNATURE.exec(line) ?? [];
    const bytes = decodeBase64(encoded);
    if (name === "" || !bytes || bytes.length <= 4) return null;
    signatures.push({ name, bytes });
  }
  return { origin, size, root, text, signatures };
}

/**
 * Parts a file of signed notes, one appended after the other, into its notes; every character of the file is in one of them, so
 * whatever does not belong makes the note it lies in unreadable.
 */
export function splitNotes(file: string): string[] {
  const notes: string[] = [];
  let lines: string[] = [];
  const all = file.split("\n");
  // What follows the last line feed is a line of its own only when something stands there.
  if (all.at(-1) === "") all.pop();
  for (const [index, line] of all.entries()) {
    lines.push(`${line}\n`);
    const ends = line.startsWith("— ") && !all[index + 1]?.startsWith("— ");
    if (ends) {
      notes.push(lines.join(""));
      lines = [];
    }
  }
  if (lines.length > 0) notes.push(lines.join(""));
  return notes;
}

/** Standard alphabet with padding. */
export const encodeBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** Null unless it is the one way to write these bytes: another way would be a second note with the same meaning. */
export function decodeBase64(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return encodeBase64(bytes) === text ? bytes : null;
}
