import type { Modelwright } from "../../client/index.ts";
import { openAnchors, type Anchor, type LogProblem } from "../../adapters/checkpoints/anchors.ts";
import { signLog } from "../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../adapters/checkpoints/checkpoint-file.ts";
import {
  formatPublicKey,
  loadPrivateKey,
  loadPublicKeys,
  parsePublicKeys,
  type PublicNoteKey,
} from "../../adapters/checkpoints/note-key.ts";
import { AUDIT_STREAM } from "../../contracts/audit.ts";
import { Failure } from "../../contracts/failures.ts";

export const DEFAULT_CHECKPOINTS = "audit-checkpoints.txt";

export interface CheckpointOptions {
  readonly checkpoint?: string;
  readonly key?: string;
  readonly publicKey?: string;
}

export interface OpenCheckpoints {
  /** Of what the product records, at least one, in the order they were signed. */
  readonly anchors: readonly Anchor[];
  readonly publicKey: string;
}

type Opened = OpenCheckpoints | { readonly problem: LogProblem };

/**
 * Checkpoints that a bundle leads to: those the stack signs, a new one among them; or those of a file, with a key after a new one was
 * signed into it. @throws INPUT_INVALID for a file without a key, CHECKPOINT_UNCONFIGURED
 */
export async function openCheckpoints(modelwright: Modelwright, options: CheckpointOptions): Promise<Opened> {
  const { checkpoint, key, publicKey } = options;
  return checkpoint === undefined && key === undefined && publicKey === undefined
    ? await openOwn(modelwright)
    : await openFile(modelwright, options);
}

async function openOwn(modelwright: Modelwright): Promise<Opened> {
  try {
    await modelwright.signCheckpoint();
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code !== "AUDIT_NOT_SIGNED") throw thrown;
    return { problem: thrown.fields as LogProblem };
  }
  const signed = (await modelwright.checkpoints()).toReversed();
  const publicKeys = [...new Set(signed.map(({ publicKey }) => publicKey))].toReversed();
  // What the database remembers is checked like a file. Whose key it is, is for the bundle's reader to know.
  const keys = publicKeys.flatMap((line) => parsePublicKeys(line, "the stack's public key"));
  return open(
    signed.map(({ note }) => note),
    keys,
  );
}

async function openFile({ auditLog }: Modelwright, options: CheckpointOptions): Promise<Opened> {
  const { checkpoint: path = DEFAULT_CHECKPOINTS, key: keyPath, publicKey: publicKeyPath } = options;
  const formerKeys = publicKeyPath === undefined ? [] : await loadPublicKeys(publicKeyPath);
  const key = keyPath === undefined ? null : await loadPrivateKey(keyPath);
  if (!key && formerKeys.length === 0) {
    const problems =
      "checkpoints of a file need a key: --key FILE signs one now (`modelwright audit key` makes one), --public-key FILE uses those signed before";
    throw new Failure("INPUT_INVALID", { where: "--checkpoint", problems });
  }
  if (key) {
    const signed = await signLog(auditLog, { path, key, formerKeys, whole: false });
    if ("problem" in signed) return signed;
  }
  return open(await loadNotes(path), key ? [key, ...formerKeys] : formerKeys);
}

/** @param keys the one in use first */
function open(notes: readonly string[], keys: readonly PublicNoteKey[]): Opened {
  const { anchors, problem } = openAnchors(notes, keys);
  if (problem) return { problem };
  const own = anchors.filter(({ stream }) => stream === AUDIT_STREAM);
  const [inUse] = keys;
  if (own.length > 0 && inUse) return { anchors: own, publicKey: formatPublicKey(inUse) };
  return { problem: { kind: "unanchored", found: "there is no checkpoint" } };
}
