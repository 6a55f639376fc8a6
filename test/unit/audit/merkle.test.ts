import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { emptyRoot, hashLeaf, hashNode } from "../../../core/audit/merkle-hash.ts";
import { verifyConsistency, verifyInclusion } from "../../../core/audit/merkle-verify.ts";
import { sha256 } from "../../../adapters/checkpoints/sha256.ts";
import { treeOver } from "../../support/memory-log.ts";

const LARGEST = 300;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const events = Array.from({ length: LARGEST }, (_, index) => new TextEncoder().encode(`event ${index}`));

/** MTH, PATH and SUBPROOF as RFC 9162 writes them down, over the data itself. */
const split = (size: number) => 2 ** (Math.ceil(Math.log2(size)) - 1);
function treeHash(data: readonly Uint8Array[]): Uint8Array {
  const [only] = data;
  if (!only) return sha256();
  if (data.length === 1) return sha256(Uint8Array.of(0), only);
  const k = split(data.length);
  return sha256(Uint8Array.of(1), treeHash(data.slice(0, k)), treeHash(data.slice(k)));
}
function treePath(m: number, data: readonly Uint8Array[]): Uint8Array[] {
  if (data.length === 1) return [];
  const k = split(data.length);
  return m < k
    ? [...treePath(m, data.slice(0, k)), treeHash(data.slice(k))]
    : [...treePath(m - k, data.slice(k)), treeHash(data.slice(0, k))];
}
function subproof(m: number, data: readonly Uint8Array[], known: boolean): Uint8Array[] {
  if (m === data.length) return known ? [] : [treeHash(data)];
  const k = split(data.length);
  return m <= k
    ? [...subproof(m, data.slice(0, k), known), treeHash(data.slice(k))]
    : [...subproof(m - k, data.slice(k), false), treeHash(data.slice(0, k))];
}

const tree = treeOver(events);

const inclusion = (index: number, size: number) => ({
  index,
  size,
  leafHash: hashLeaf(sha256, events[index]!),
  proof: tree.inclusionProof(index, size),
  root: tree.root(size),
});
const consistency = (from: number, to: number) => ({
  from: { size: from, root: tree.root(from) },
  to: { size: to, root: tree.root(to) },
  proof: tree.consistencyProof(from, to),
});
const flipped = (bytes: Uint8Array, bit: number) => {
  const changed = Uint8Array.from(bytes);
  changed[Math.floor(bit / 8)]! ^= 1 << (bit % 8);
  return changed;
};
const withFlip = (proof: readonly Uint8Array[], at: number, bit: number) =>
  proof.map((hash, index) => (index === at ? flipped(hash, bit) : hash));

const sameProof = (one: readonly Uint8Array[], other: readonly Uint8Array[]) =>
  one.map(hex).join() === other.map(hex).join();

/** Every size to 64, and those around the powers of two above: each case ten times over is too much for all 300. */
const CHANGED_SIZES = Array.from({ length: LARGEST }, (_, index) => index + 1).filter(
  (size) => size <= 64 || [127, 128, 129, 255, 256, 257, LARGEST].includes(size),
);

/** 0 <= first <= second <= LARGEST with second at least `least`. */
const sizes = (least: number) =>
  fc
    .integer({ min: least, max: LARGEST })
    .chain((to) => fc.tuple(fc.integer({ min: least, max: to }), fc.constant(to)));

describe("the Merkle tree", () => {
  it("has the roots published for Certificate Transparency's reference inputs", () => {
    // Leaves and roots of the test vectors every RFC 6962 implementation shares.
    const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const roots = [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    const known = treeOver(inputs.map((input) => Buffer.from(input, "hex")));
    expect(hex(known.root(0))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const [index, root] of roots.entries()) expect(hex(known.root(index + 1))).toBe(root);
  });

  it("has the root of the recursive definition at every size from 0 to 300", () => {
    for (let size = 0; size <= LARGEST; size += 1) {
      expect(hex(tree.root(size))).toBe(hex(treeHash(events.slice(0, size))));
    }
    expect(hex(tree.root(0))).toBe(hex(emptyRoot(sha256)));
  });

  it("gives the proofs of the recursive definition", () => {
    fc.assert(
      fc.property(sizes(1), ([from, to]) => {
        const data = events.slice(0, to);
        expect(tree.inclusionProof(from - 1, to).map(hex)).toEqual(treePath(from - 1, data).map(hex));
        expect(tree.consistencyProof(from, to).map(hex)).toEqual(subproof(from, data, true).map(hex));
      }),
      { numRuns: 150, seed: 6962 },
    );
  });

  it("refuses proofs beyond its size", () => {
    expect(() => tree.root(LARGEST + 1)).toThrow(RangeError);
    expect(() => tree.inclusionProof(5, 5)).toThrow(RangeError);
    expect(() => tree.inclusionProof(0, 0)).toThrow(RangeError);
    expect(() => tree.consistencyProof(6, 5)).toThrow(RangeError);
    expect(() => tree.consistencyProof(1.5, 5)).toThrow(RangeError);
  });
});

describe("an inclusion proof", () => {
  it("holds for every leaf of every size from 1 to 300", () => {
    let refused = 0;
    for (let size = 1; size <= LARGEST; size += 1) {
      for (let index = 0; index < size; index += 1) {
        if (!verifyInclusion(sha256, inclusion(index, size))) refused += 1;
      }
    }
    expect(refused).toBe(0);
  });

  it("fails when any one bit of the leaf, the root or a hash on the way is another", () => {
    for (const [index, size] of [
      [0, 1],
      [1, 2],
      [4, 7],
      [6, 7],
      [200, 300],
      [299, 300],
    ] as const) {
      const right = inclusion(index, size);
      for (let bit = 0; bit < 256; bit += 1) {
        expect(verifyInclusion(sha256, { ...right, leafHash: flipped(right.leafHash, bit) })).toBe(false);
        expect(verifyInclusion(sha256, { ...right, root: flipped(right.root, bit) })).toBe(false);
        for (const at of right.proof.keys()) {
          expect(verifyInclusion(sha256, { ...right, proof: withFlip(right.proof, at, bit) })).toBe(false);
        }
      }
    }
  });

  it("fails truncated, padded, for another index, another size and another root", () => {
    const accepted: string[] = [];
    for (const size of CHANGED_SIZES) {
      for (let index = 0; index < size; index += 1) {
        const right = inclusion(index, size);
        const { proof, root, leafHash } = right;
        const changes: Partial<typeof right>[] = [
          { proof: proof.slice(1) },
          { proof: proof.slice(0, -1) },
          { proof: proof.toReversed() },
        ].filter(({ proof: changed }) => !sameProof(changed, proof));
        changes.push(
          { proof: [...proof, root] },
          { proof: [leafHash, ...proof] },
          { proof: [...proof, new Uint8Array()] },
          { index: index === 0 ? size : index - 1 },
          { index: index + 1 },
          { root: tree.root(size === LARGEST ? 1 : size + 1) },
          { root: tree.root(size - 1) },
        );
        for (const change of changes) {
          if (verifyInclusion(sha256, { ...right, ...change })) accepted.push(`${index}/${size}`);
        }
      }
    }
    expect(accepted).toEqual([]);
    const right = inclusion(4, 7);
    for (const change of [{ index: -1 }, { index: 7 }, { index: 0.5 }, { size: 0 }, { size: Number.NaN }]) {
      expect(verifyInclusion(sha256, { ...right, ...change })).toBe(false);
    }
  });

  it("of a smaller or larger tree leads to another root, whatever size is claimed for it", () => {
    for (const [index, size] of [
      [0, 1],
      [4, 7],
      [200, 256],
      [299, 300],
    ] as const) {
      for (let claimed = 1; claimed <= LARGEST; claimed += 1) {
        if (claimed === size) continue;
        const claim = { ...inclusion(index, size), size: claimed, root: tree.root(claimed) };
        expect(verifyInclusion(sha256, claim)).toBe(false);
      }
    }
  });

  it("does not take an inner node for an event", () => {
    const [one, two] = [hashLeaf(sha256, events[0]!), hashLeaf(sha256, events[1]!)];
    const forged = { index: 0, size: 2, proof: tree.inclusionProof(0, 4).slice(1), root: tree.root(4) };
    const joined = Buffer.concat([one, two]);
    expect(verifyInclusion(sha256, { ...forged, leafHash: hashNode(sha256, one, two) })).toBe(true);
    expect(verifyInclusion(sha256, { ...forged, leafHash: hashLeaf(sha256, joined) })).toBe(false);
  });
});

describe("a consistency proof", () => {
  it("holds between every two sizes from 0 to 300", () => {
    let refused = 0;
    for (let to = 0; to <= LARGEST; to += 1) {
      for (let from = 0; from <= to; from += 1) {
        if (!verifyConsistency(sha256, consistency(from, to))) refused += 1;
      }
    }
    expect(refused).toBe(0);
  });

  it("fails when any one bit of a root or a hash on the way is another", () => {
    for (const [from, to] of [
      [1, 2],
      [2, 3],
      [6, 8],
      [4, 7],
      [255, 256],
      [123, 300],
      [256, 300],
    ] as const) {
      const right = consistency(from, to);
      for (let bit = 0; bit < 256; bit += 1) {
        const fromChanged = { ...right.from, root: flipped(right.from.root, bit) };
        const toChanged = { ...right.to, root: flipped(right.to.root, bit) };
        expect(verifyConsistency(sha256, { ...right, from: fromChanged })).toBe(false);
        expect(verifyConsistency(sha256, { ...right, to: toChanged })).toBe(false);
        for (const at of right.proof.keys()) {
          expect(verifyConsistency(sha256, { ...right, proof: withFlip(right.proof, at, bit) })).toBe(false);
        }
      }
    }
  });

  it("fails truncated, padded, with swapped roots, swapped sizes and roots of other sizes", () => {
    const accepted: string[] = [];
    for (const to of CHANGED_SIZES) {
      for (let from = 0; from <= to; from += 1) {
        const right = consistency(from, to);
        const { proof } = right;
        const other = tree.root((to % LARGEST) + 1 === from ? 0 : (to % LARGEST) + 1);
        const changes: Partial<typeof right>[] = [
          { proof: [...proof, right.to.root] },
          { proof: [right.from.root, ...proof] },
          { from: { size: from, root: other } },
        ];
        // Every log begins with nothing, whatever its root.
        if (from > 0) changes.push({ to: { size: to, root: other } });
        if (from < to) {
          changes.push(
            { from: right.to, to: right.from },
            { from: { size: from, root: right.to.root }, to: { size: to, root: right.from.root } },
          );
          if (proof.length > 0) changes.push({ proof: proof.slice(1) }, { proof: proof.slice(0, -1) }, { proof: [] });
        }
        for (const change of changes) {
          if (verifyConsistency(sha256, { ...right, ...change })) accepted.push(`${from}/${to}`);
        }
      }
    }
    expect(accepted).toEqual([]);
  });

  it("does not let an empty log begin with anything but its own root", () => {
    const right = consistency(0, 7);
    expect(verifyConsistency(sha256, { ...right, from: { size: 0, root: tree.root(1) } })).toBe(false);
    expect(verifyConsistency(sha256, { ...right, proof: [tree.root(1)] })).toBe(false);
  });

  it("fails for a log whose past was rewritten", () => {
    for (const changed of [0, 63, 64, 99]) {
      const present = events.slice(0, 150).map((event, index) => (index === changed ? Uint8Array.of(7) : event));
      const rewritten = treeOver(present);
      const claim = {
        from: { size: 100, root: tree.root(100) },
        to: { size: 150, root: rewritten.root() },
        proof: rewritten.consistencyProof(100),
      };
      expect(verifyConsistency(sha256, claim)).toBe(false);
    }
  });
});
