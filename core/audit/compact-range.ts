import { emptyRoot, HASH_BYTES, hashNode, type Hash } from "./merkle-hash.ts";

/** A Merkle tree that keeps its right edge alone: it grows, and knows its root, in a logarithm of memory. */
export interface CompactRange {
  readonly size: number;
  /** Adds the hash of a leaf, 32 bytes; see `hashLeaf`. @throws RangeError for another length */
  readonly append: (leafHash: Uint8Array) => void;
  readonly root: () => Uint8Array;
}

export interface CompactRangeStart {
  readonly size: number;
  /** Roots of the complete subtrees of the first `size` leaves, the largest first. */
  readonly edge: readonly Uint8Array[];
  /** Told every complete subtree of more than one leaf as it becomes complete. */
  readonly onNode?: (level: number, index: number, value: Uint8Array) => void;
}

/**
 * Goes on from `start`, the empty tree unless told. Every root it comes to commits to the leaves that made `start`'s edge, whoever
 * kept that edge: compare `root()` with one you trust before the first `append`. @throws RangeError for an edge of another size
 */
export function createCompactRange(hash: Hash, start: CompactRangeStart = { size: 0, edge: [] }): CompactRange {
  const edge = [...start.edge];
  let size = start.size;
  if (edge.length !== countBits(size)) throw new RangeError(`${size} leaves have no edge of ${edge.length} subtrees`);
  return {
    get size() {
      return size;
    },
    append: (leafHash) => {
      if (leafHash.length !== HASH_BYTES) throw new RangeError(`a leaf's hash has ${leafHash.length} bytes, not 32`);
      let value = leafHash;
      let level = 0;
      // Every subtree on the edge that is as large as what was just completed has its right neighbour now.
      for (let before = size; before % 2 === 1; before = (before - 1) / 2) {
        value = hashNode(hash, edge.pop() ?? new Uint8Array(), value);
        level += 1;
        start.onNode?.(level, (before - 1) / 2, value);
      }
      edge.push(value);
      size += 1;
    },
    root: () => (edge.length === 0 ? emptyRoot(hash) : edge.reduceRight((right, left) => hashNode(hash, left, right))),
  };
}

function countBits(number: number): number {
  let count = 0;
  for (let rest = number; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
