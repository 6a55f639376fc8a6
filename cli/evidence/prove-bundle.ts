import type { AuditLog } from "../../client/index.ts";
import { AUDIT_STREAM } from "../../contracts/audit.ts";
import type { EvidenceBundle } from "../../contracts/evidence.ts";
import type { Anchor, LogProblem } from "../../adapters/checkpoints/anchors.ts";
import { sha256 } from "../../adapters/checkpoints/sha256.ts";
import { decodeBase64 } from "../../core/audit/checkpoint.ts";
import { hashLeaf } from "../../core/audit/merkle-hash.ts";
import { verifyConsistency, verifyInclusion } from "../../core/audit/merkle-verify.ts";
import { computeOverTiles } from "../../core/audit/tiles.ts";
import { buildBundle, newestOf, type BundleInput } from "./build-bundle.ts";

/** The anchors are signed right. */
export interface ProofRequest extends Omit<BundleInput, "tree"> {
  readonly log: AuditLog;
}

/**
 * The bundle, whose proofs read some hundred rows of the log whatever its size; or what is wrong, when they do not lead to the
 * checkpoints: then the log is not the one that was signed.
 */
export async function proveBundle(
  request: ProofRequest,
): Promise<{ readonly bundle: EvidenceBundle } | { readonly problem: LogProblem }> {
  const { log, anchors } = request;
  const newest = newestOf(anchors);
  const there = (await log.heads()).find(({ stream }) => stream === AUDIT_STREAM)?.size ?? 0;
  if (there < newest.size) {
    return { problem: { kind: "truncated", found: `the log ends at event ${there}, ${newest.size} were signed` } };
  }
  const bundle = await computeOverTiles(
    { hash: sha256, size: newest.size, load: (wanted) => log.tiles(AUDIT_STREAM, wanted) },
    (tree) => buildBundle({ ...request, tree }),
  );
  const problem = proofProblem(bundle, newest, anchors);
  return problem ? { problem } : { bundle };
}

function proofProblem(bundle: EvidenceBundle, newest: Anchor, anchors: readonly Anchor[]): LogProblem | undefined {
  const { size, root } = newest;
  for (const { seq, body, proof } of bundle.events) {
    const leafHash = hashLeaf(sha256, bytesOf(body));
    if (!verifyInclusion(sha256, { index: seq - 1, size, leafHash, proof: proof.map(bytesOf), root })) {
      return { kind: "modified", found: `event ${seq} does not lead to the checkpoint of ${size} events` };
    }
  }
  for (const { checkpoint, proof } of bundle.earlier) {
    const from = anchors.find(({ note }) => note === checkpoint);
    if (!from || !verifyConsistency(sha256, { from, to: newest, proof: proof.map(bytesOf) })) {
      return { kind: "forked", found: `the checkpoint of ${size} events does not continue the one of ${from?.size}` };
    }
  }
  return undefined;
}

const bytesOf = (text: string): Uint8Array => decodeBase64(text) ?? new Uint8Array();
