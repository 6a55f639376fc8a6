import { emptyRoot, hashNode, type Hash } from "./merkle-hash.ts";

/** Hash of a complete subtree: of those with `2 ** level` leaves the one at `index`, from 0. Level 0 holds the leaves. */
export type NodeAt = (level: number, index: number) => Uint8Array;

/** A log's Merkle tree: answers for every size up to its own. */
export interface MerkleTree {
  readonly size: number;
  /** Root of the first `size` leaves, all of them unless told. @throws RangeError beyond the tree */
  readonly root: (size?: number) => Uint8Array;
  /** Roots of the complete subtrees that the first `size` leaves fall into, the largest first: one for each bit of `size`. */
  readonly edge: (size?: number) => Uint8Array[];
  /**
   * Hashes that lead from leaf `index` (from 0) to the root of the first `size` leaves, nearest first. At most
   * ceil(log2(size)) of them. @throws RangeError unless 0 <= index < size <= the tree's size
   */
  readonly inclusionProof: (index: number, size?: number) => Uint8Array[];
  /**
   * Hashes that show the first `from` leaves to be the beginning of the first `to`; none when they are as many, or `from` is 0.
   * @throws RangeError unless 0 <= from <= to <= the tree's size
   */
  readonly consistencyProof: (from: number, to?: number) => Uint8Array[];
}

/**
 * Merkle tree of RFC 9162 (the same as RFC 6962) over complete subtrees that lie somewhere else. Which of them an answer asks for
 * depends on sizes and indexes alone, never on a hash, and they are about log2(size).
 * Source: RFC 9162, 2.1.1 to 2.1.4. Checked against the recursive definition for every size to 300.
 */
export function createMerkleTree(hash: Hash, treeSize: number, nodeAt: NodeAt): MerkleTree {
  /** Root of leaves [start, end). `start` is a multiple of every complete subtree in it, as the recursion splits. */
  function rootOf(start: number, end: number): Uint8Array {
    const size = end - start;
    const level = Math.log2(size);
    if (Number.isInteger(level)) return nodeAt(level, start / size);
    const middle = start + largestPowerBelow(size);
    return hashNode(hash, rootOf(start, middle), rootOf(middle, end));
  }

  function path(index: number, start: number, end: number): Uint8Array[] {
    if (end - start === 1) return [];
    const middle = start + largestPowerBelow(end - start);
    return index < middle
      ? [...path(index, start, middle), rootOf(middle, end)]
      : [...path(index, middle, end), rootOf(start, middle)];
  }

  /** SUBPROOF of RFC 9162, 2.1.4.1; `known` while the verifier holds the root of [start, end) as the old root. */
  function subproof(from: number, start: number, end: number, known: boolean): Uint8Array[] {
    if (from === end) return known ? [] : [rootOf(start, end)];
    const middle = start + largestPowerBelow(end - start);
    return from <= middle
      ? [...subproof(from, start, middle, known), rootOf(middle, end)]
      : [...subproof(from, middle, end, false), rootOf(start, middle)];
  }

  return {
    size: treeSize,
    root: (size = treeSize) => {
      requireWithin(0, size, treeSize);
      return size === 0 ? emptyRoot(hash) : rootOf(0, size);
    },
    edge: (size = treeSize) => {
      requireWithin(0, size, treeSize);
      const hashes: Uint8Array[] = [];
      for (let start = 0; start < size;) {
        const width = largestPowerBelow(size - start + 1);
        hashes.push(rootOf(start, start + width));
        start += width;
      }
      return hashes;
    },
    inclusionProof: (index, size = treeSize) => {
      requireWithin(1, size, treeSize);
      requireWithin(0, index, size - 1);
      return path(index, 0, size);
    },
    consistencyProof: (from, to = treeSize) => {
      requireWithin(0, to, treeSize);
      requireWithin(0, from, to);
      return from === 0 ? [] : subproof(from, 0, to, true);
    },
  };
}

function requireWithin(low: number, value: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(`${value} is not a whole number from ${low} to ${high}`);
  }
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}
