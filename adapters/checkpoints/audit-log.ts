import { AUDIT_STREAM } from "../../contracts/audit.ts";
import type { AuditLog } from "../../contracts/audit-log.ts";
import { checkpointText, signedNote } from "../../core/audit/checkpoint.ts";
import { openAnchors, originOf, type Anchor, type LogProblem } from "./anchors.ts";
import { appendNotes, loadNotes } from "./checkpoint-file.ts";
import { signText, type PrivateNoteKey, type PublicNoteKey } from "./note-key.ts";
import { readSince, readWhole, type StreamReading } from "./read-stream.ts";

export interface LogReport {
  readonly streams: readonly StreamReading[];
  /** Events that were read and found right, in all streams together. */
  readonly events: number;
  readonly problem?: LogProblem;
}

export interface SignedNotes {
  readonly notes: readonly string[];
  readonly keys: readonly PublicNoteKey[];
}

/**
 * Reads every event of every stream, and compares the log with checkpoints that were signed of it, if any are given. The first
 * problem is told; `unanchored` when they are given and there are none.
 */
export async function checkLog(log: AuditLog, signed?: SignedNotes): Promise<LogReport> {
  const { anchors, problem } = signed ? openAnchors(signed.notes, signed.keys) : { anchors: [] };
  const report = await readStreams(log, anchors, readWhole);
  if (report.problem) return report;
  if (problem) return { ...report, problem };
  if (signed?.notes.length !== 0) return report;
  return { ...report, problem: { kind: "unanchored", found: "the file holds no checkpoint" } };
}

export interface Checkpointed {
  readonly stream: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
  /** False when the newest checkpoint said the same already. */
  readonly written: boolean;
}

export type CheckpointOutcome =
  | { readonly checkpoints: readonly Checkpointed[]; readonly whole: boolean }
  | { readonly problem: LogProblem };

export interface CheckpointRequest {
  /** File of checkpoints, outside the database. */
  readonly path: string;
  readonly key: PrivateNoteKey;
  readonly formerKeys: readonly PublicNoteKey[];
  /** Read every event again, or those since the newest checkpoint. */
  readonly whole: boolean;
}

/**
 * Signs every stream as it stands and appends that to the file, unless it says the same already. A log with a broken chain, or one that
 * does not continue the checkpoints of the file, is not signed: the key would vouch for the forgery.
 */
export async function signLog(
  log: AuditLog,
  { path, key, formerKeys, whole: asked }: CheckpointRequest,
): Promise<CheckpointOutcome> {
  const notes = await loadNotes(path);
  const whole = asked || notes.length === 0;
  const { anchors, problem: unreadable } = openAnchors(notes, [key, ...formerKeys], { newestOnly: !whole });
  if (unreadable) return { problem: unreadable };
  for (const { stream } of await log.heads()) await log.keepNodes(stream);
  const { streams, problem } = await readStreams(log, anchors, whole ? readWhole : readSince);
  if (problem) return { problem };
  await log.onDisk();
  const checkpoints = streams.map((reading) => checkpointOf(reading, key));
  await appendNotes(
    path,
    checkpoints.filter(({ written }) => written).map(({ note }) => note),
  );
  return { checkpoints, whole };
}

/** A note of the same events by the same key is the same, byte by byte. */
function checkpointOf({ stream, size, root, agreed }: StreamReading, key: PrivateNoteKey): Checkpointed {
  const text = checkpointText({ origin: originOf(key.name, stream), size, root });
  const note = signedNote(text, [signText(key, text)]);
  return { stream, size, root, note, written: !agreed.some((anchor) => anchor.text === text) };
}

/** Streams that have a head and streams that were signed: one that is in the second alone is gone. */
async function readStreams(log: AuditLog, anchors: readonly Anchor[], read: typeof readWhole): Promise<LogReport> {
  const sizes = new Map((await log.heads()).map(({ stream, size }) => [stream, size]));
  const streams: StreamReading[] = [];
  let events = 0;
  for (const stream of new Set([AUDIT_STREAM, ...sizes.keys(), ...anchors.map((anchor) => anchor.stream)])) {
    const own = anchors.filter((anchor) => anchor.stream === stream);
    const reading = await read(log, { stream, size: sizes.get(stream) ?? null, anchors: own });
    streams.push(reading);
    events += reading.events;
    if (reading.problem) return { streams, events, problem: reading.problem };
  }
  return { streams, events };
}
