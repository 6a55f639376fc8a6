import { AUDIT_STREAM } from "../../contracts/audit.ts";
import type { AuditLog, AuditProblem, TileName } from "../../contracts/audit-log.ts";
import { sha256 } from "../../adapters/checkpoints/sha256.ts";
import { hashLeaf, hashNode } from "../../core/audit/merkle-hash.ts";
import { createMerkleTree, type MerkleTree } from "../../core/audit/merkle-tree.ts";

/** The hashes of every complete subtree over some leaves, a list a level. */
function levelsOver(leaves: readonly Uint8Array[]): Uint8Array[][] {
  const levels = [leaves.map((leaf) => hashLeaf(sha256, leaf))];
  for (let below = levels[0] ?? []; below.length > 1; below = levels.at(-1) ?? []) {
    const pairs = Math.floor(below.length / 2);
    levels.push(Array.from({ length: pairs }, (_, pair) => hashNode(sha256, below[2 * pair]!, below[2 * pair + 1]!)));
  }
  return levels;
}

/** The tree over some leaves, all of it in memory. */
export function treeOver(leaves: readonly Uint8Array[]): MerkleTree {
  const levels = levelsOver(leaves);
  return createMerkleTree(sha256, leaves.length, (level, index) => {
    const node = levels[level]?.[index];
    if (!node) throw new Error(`no node ${index} on level ${level} over ${leaves.length} leaves`);
    return node;
  });
}

/** A log of these bytes; `problem` is found after the last of the product's own stream. Tiles are always those of the bytes. */
export function createMemoryLog(
  streams: Readonly<Record<string, readonly Uint8Array[]>>,
  problem?: AuditProblem["kind"],
): AuditLog {
  const hashesOf = (stream: string, { level, tile }: TileName) =>
    Buffer.concat((levelsOver(streams[stream] ?? [])[level] ?? []).slice(tile * 256, tile * 256 + 256));
  return {
    heads: async () => Object.entries(streams).map(([stream, bodies]) => ({ stream, size: bodies.length })),
    verify: async ({ stream, after = 0, onEvent } = {}) => {
      let events = 0;
      for (const [name, bodies] of Object.entries(streams)) {
        if (stream !== undefined && stream !== name) continue;
        for (const [index, body] of bodies.entries()) {
          if (index < after) continue;
          events += 1;
          onEvent?.({ stream: name, seq: index + 1, body });
        }
      }
      if (stream !== undefined && !streams[stream]) {
        return { ok: false, events, problem: { stream, seq: 1, kind: "missing" } };
      }
      if (!problem) return { ok: true, events };
      return { ok: false, events, problem: { stream: AUDIT_STREAM, seq: events + 1, kind: problem } };
    },
    keepNodes: async () => undefined,
    onDisk: async () => undefined,
    tiles: async (stream, wanted) => wanted.map((name) => ({ ...name, hashes: hashesOf(stream, name) })),
  };
}
