import { emptyRoot, hashNode, sameBytes, type Hash } from "./merkle-hash.ts";

export interface InclusionClaim {
  /** Of the leaf, from 0. */
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/**
 * Whether the leaf stands at `index` in the tree of `size` leaves with this root. False, never an error, for any claim that
 * does not hold: a proof too long or too short, an index beyond the size. Source: RFC 9162, 2.1.3.2.
 */
export function verifyInclusion(hash: Hash, { index, size, leafHash, proof, root }: InclusionClaim): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  let at = index;
  let last = size - 1;
  let computed = leafHash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      computed = hashNode(hash, sibling, computed);
      [at, last] = skipLevels(at, last);
    } else {
      computed = hashNode(hash, computed, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(computed, root);
}

export interface ConsistencyClaim {
  readonly from: { readonly size: number; readonly root: Uint8Array };
  readonly to: { readonly size: number; readonly root: Uint8Array };
  readonly proof: readonly Uint8Array[];
}

/**
 * Whether the tree `from` is the beginning of the tree `to`: nothing of it was changed, moved or taken out since. False, never an
 * error, for any claim that does not hold. The empty tree, with its own root, begins every tree. Source: RFC 9162, 2.1.4.2.
 */
export function verifyConsistency(hash: Hash, { from, to, proof }: ConsistencyClaim): boolean {
  if (!isCount(from.size) || !isCount(to.size) || from.size > to.size) return false;
  if (from.size === to.size) return proof.length === 0 && sameBytes(from.root, to.root);
  if (from.size === 0) return proof.length === 0 && sameBytes(from.root, emptyRoot(hash));
  // A complete old tree is a node of the new one, so the proof leaves its root out.
  const [first, ...rest] = Number.isInteger(Math.log2(from.size)) ? [from.root, ...proof] : proof;
  if (!first) return false;
  let at = from.size - 1;
  let last = to.size - 1;
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  let old = first;
  let present = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      old = hashNode(hash, sibling, old);
      present = hashNode(hash, sibling, present);
      [at, last] = skipLevels(at, last);
    } else {
      present = hashNode(hash, present, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(old, from.root) && sameBytes(present, to.root);
}

/** A right edge that has no sibling on a level rises through it unchanged. */
function skipLevels(at: number, last: number): [number, number] {
  let [index, end] = [at, last];
  while (!isOdd(index) && index !== 0) [index, end] = [half(index), half(end)];
  return [index, end];
}

// Not bit operators: they end at 2^31.
const isOdd = (value: number) => value % 2 === 1;
const half = (value: number) => Math.floor(value / 2);
const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
