import { emptyRoot, HASH_BYTES, hashNode, type Hash } from "./merkle-hash.ts";

/** A tree that grows by leaves and answers for every size it has had. */
export interface MerkleTree {
  readonly size: number;
  /** Adds the hash of a leaf, 32 bytes; see `hashLeaf`. */
  readonly append: (leafHash: Uint8Array) => void;
  /** Root of the first `size` leaves, all of them unless told. @throws RangeError beyond the tree */
  readonly root: (size?: number) => Uint8Array;
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
 * Merkle tree of RFC 9162 (the same as RFC 6962). Keeps the hash of every complete subtree in one flat array a level, 64 bytes
 * a leaf in all, so that a root or proof of any size costs a logarithm and a million events fit in 64 MB.
 * Source: RFC 9162, 2.1.1 to 2.1.4. Checked against the recursive definition for every size to 300.
 */
export function createMerkleTree(hash: Hash): MerkleTree {
  const levels: Level[] = [];

  function append(level: number, value: Uint8Array): void {
    const hashes = (levels[level] ??= createLevel());
    hashes.push(value);
    if (hashes.count % 2 === 0) append(level + 1, hashNode(hash, hashes.at(hashes.count - 2), value));
  }

  /** Root of leaves [start, end). `start` is a multiple of every complete subtree in it, as the recursion splits. */
  function rootOf(start: number, end: number): Uint8Array {
    const size = end - start;
    const level = Math.log2(size);
    if (Number.isInteger(level)) return levels[level]!.at(start / size);
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

  const count = () => levels[0]?.count ?? 0;
  const within = (low: number, value: number, high: number) => {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new RangeError(`${value} is not a whole number from ${low} to ${high}`);
    }
  };
  return {
    get size() {
      return count();
    },
    append: (leafHash) => {
      if (leafHash.length !== HASH_BYTES) throw new RangeError(`a leaf's hash has ${leafHash.length} bytes, not 32`);
      append(0, leafHash);
    },
    root: (size = count()) => {
      within(0, size, count());
      return size === 0 ? emptyRoot(hash) : rootOf(0, size);
    },
    inclusionProof: (index, size = count()) => {
      within(1, size, count());
      within(0, index, size - 1);
      return path(index, 0, size);
    },
    consistencyProof: (from, to = count()) => {
      within(0, to, count());
      within(0, from, to);
      return from === 0 ? [] : subproof(from, 0, to, true);
    },
  };
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** Hashes of one level side by side: a million small arrays would cost ten times the memory. */
interface Level {
  readonly count: number;
  readonly push: (value: Uint8Array) => void;
  readonly at: (index: number) => Uint8Array;
}

function createLevel(): Level {
  let bytes = new Uint8Array(64 * HASH_BYTES);
  let count = 0;
  return {
    get count() {
      return count;
    },
    push: (value) => {
      if ((count + 1) * HASH_BYTES > bytes.length) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(value, count * HASH_BYTES);
      count += 1;
    },
    at: (index) => bytes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  };
}
