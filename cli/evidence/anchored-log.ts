import { createHash } from "node:crypto";
import type { AuditProblem, AuditVerification, Modelwright } from "../../client/index.ts";
import { AUDIT_STREAM } from "../../contracts/audit.ts";
import { parseCheckpoint, type SignedCheckpoint } from "../../core/audit/checkpoint.ts";
import { hashLeaf, sameBytes, type Hash } from "../../core/audit/merkle-hash.ts";
import { createMerkleTree, type MerkleTree } from "../../core/audit/merkle-tree.ts";
import { findSigner, type PublicNoteKey } from "./note-key.ts";

export const sha256: Hash = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The log as one pass over the database found it: its chain, and the tree over the stored bytes. */
export interface AuditLog {
  readonly verification: AuditVerification;
  readonly tree: MerkleTree;
}

/** Reads and hashes every event once; 64 bytes of memory an event. */
export async function loadAuditLog(modelwright: Pick<Modelwright, "verifyAudit">): Promise<AuditLog> {
  const tree = createMerkleTree(sha256);
  const verification = await modelwright.verifyAudit({
    onEvent: ({ stream, body }) => {
      if (stream === AUDIT_STREAM) tree.append(hashLeaf(sha256, body));
    },
  });
  return { verification, tree };
}

export type LogProblemKind = AuditProblem["kind"] | "forked" | "unanchored";

export interface LogProblem {
  readonly kind: LogProblemKind;
  /** For people: what was found, and where. */
  readonly found: string;
}

export interface Anchoring {
  /** Checkpoints that the log still continues. */
  readonly checkpoints: readonly SignedCheckpoint[];
  /** Events that the largest of them covers; whoever rewrites one of those is found. */
  readonly anchoredEvents: number;
  readonly problem?: LogProblem;
}

/** What is wrong with the chain itself, in words, or null. */
export function chainProblem({ ok, problem }: AuditVerification): LogProblem | null {
  if (ok) return null;
  if (!problem) return { kind: "modified", found: "the chain is not whole" };
  return { kind: problem.kind, found: `event ${problem.seq} of stream ${problem.stream} is ${problem.kind}` };
}

/**
 * Compares the log with every checkpoint that was signed of it. `unanchored`: a checkpoint that none of the keys signed, or none at
 * all; `truncated`: the log ends before one; `forked`: the log is as long and other than what was signed.
 */
export function anchorLog(tree: MerkleTree, notes: readonly string[], keys: readonly PublicNoteKey[]): Anchoring {
  const checkpoints: SignedCheckpoint[] = [];
  const upTo = (problem?: LogProblem): Anchoring => ({
    checkpoints,
    anchoredEvents: Math.max(0, ...checkpoints.map(({ size }) => size)),
    ...(problem && { problem }),
  });
  if (notes.length === 0) return upTo({ kind: "unanchored", found: "the file holds no checkpoint" });
  for (const [index, note] of notes.entries()) {
    const place = `checkpoint ${index + 1} of ${notes.length}`;
    const checkpoint = parseCheckpoint(note);
    if (!checkpoint) return upTo({ kind: "unanchored", found: `${place} is no signed checkpoint` });
    const signer = findSigner(keys, checkpoint);
    if (signer?.name !== checkpoint.origin) {
      return upTo({
        kind: "unanchored",
        found: `${place} is not signed by the key given for log ${checkpoint.origin}`,
      });
    }
    const { size } = checkpoint;
    if (size > tree.size) {
      return upTo({ kind: "truncated", found: `the log ends at event ${tree.size}; ${place} was signed at ${size}` });
    }
    if (!sameBytes(tree.root(size), checkpoint.root)) {
      return upTo({ kind: "forked", found: `the first ${size} events are not the ones of ${place}` });
    }
    checkpoints.push(checkpoint);
  }
  return upTo();
}
