import type { Modelwright } from "../../client/index.ts";
import { openAnchors, type Anchor, type LogProblem } from "../../adapters/checkpoints/anchors.ts";
import { signLog } from "../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../adapters/checkpoints/checkpoint-file.ts";
import { formatPublicKey, loadPrivateKey, loadPublicKeys } from "../../adapters/checkpoints/note-key.ts";
import { AUDIT_STREAM } from "../../contracts/audit.ts";
import { Failure } from "../../contracts/failures.ts";

export const DEFAULT_CHECKPOINTS = "audit-checkpoints.txt";

export interface CheckpointOptions {
  readonly checkpoint: string;
  readonly key?: string;
  readonly publicKey?: string;
}

export interface OpenCheckpoints {
  /** Of what the product records, at least one. */
  readonly anchors: readonly Anchor[];
  readonly publicKey: string;
}

/**
 * The checkpoints of a file; with a key after a new one was signed into it. @throws INPUT_INVALID when neither key is given: nobody
 * could tell a right checkpoint from a wrong one
 */
export async function openCheckpoints(
  { auditLog }: Pick<Modelwright, "auditLog">,
  { checkpoint: path, key: keyPath, publicKey: publicKeyPath }: CheckpointOptions,
): Promise<OpenCheckpoints | { readonly problem: LogProblem }> {
  const formerKeys = publicKeyPath === undefined ? [] : await loadPublicKeys(publicKeyPath);
  const key = keyPath === undefined ? null : await loadPrivateKey(keyPath);
  const keys = key ? [key, ...formerKeys] : formerKeys;
  const [newestKey] = keys;
  if (!newestKey) {
    const problems =
      "a bundle needs a key: --key FILE signs a checkpoint now (`modelwright audit key` makes one), --public-key FILE uses the ones signed before";
    throw new Failure("INPUT_INVALID", { where: "--bundle", problems });
  }
  if (key) {
    const signed = await signLog(auditLog, { path, key, formerKeys, whole: false });
    if ("problem" in signed) return signed;
  }
  const { anchors, problem } = openAnchors(await loadNotes(path), keys);
  if (problem) return { problem };
  const own = anchors.filter(({ stream }) => stream === AUDIT_STREAM);
  if (own.length > 0) return { anchors: own, publicKey: formatPublicKey(newestKey) };
  return { problem: { kind: "unanchored", found: "the file holds no checkpoint" } };
}
