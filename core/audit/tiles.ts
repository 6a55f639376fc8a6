import type { Tile, TileName } from "../../contracts/audit-log.ts";
import { HASH_BYTES, hashNode, type Hash } from "./merkle-hash.ts";
import { createMerkleTree, type MerkleTree, type NodeAt } from "./merkle-tree.ts";

/** Levels between two that are stored: a tile is 256 neighbours of one of these levels. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 2 ** TILE_HEIGHT;

export type LoadTiles = (wanted: readonly TileName[]) => Promise<readonly Tile[]>;

/**
 * Computes from a tree of which only leaves and the roots of complete subtrees of 256, 65,536, ... of them are kept. `compute` runs
 * twice: once over zeros, to learn which tiles it reads (that depends on sizes and indexes alone), and again over these. So an
 * inclusion proof in a log of a million events reads three tiles.
 */
export async function computeOverTiles<Result>(
  { hash, size, load }: { readonly hash: Hash; readonly size: number; readonly load: LoadTiles },
  compute: (tree: MerkleTree) => Result,
): Promise<Result> {
  const wanted = new Map<string, TileName>();
  const zeros = new Uint8Array(HASH_BYTES);
  const noted: NodeAt = (level, index) => {
    const { name } = place(level, index);
    wanted.set(keyOf(name), name);
    return zeros;
  };
  compute(createMerkleTree(() => zeros, size, noted));
  const tiles = new Map((await load([...wanted.values()])).map((tile) => [keyOf(tile), tile.hashes]));
  const nodeAt: NodeAt = (level, index) => {
    const { name, first, count } = place(level, index);
    const hashes = tiles.get(keyOf(name)) ?? new Uint8Array();
    return subtreeRoot(hash, hashes.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES));
  };
  return compute(createMerkleTree(hash, size, nodeAt));
}

const keyOf = ({ level, tile }: TileName) => `${level}/${tile}`;

/** Where a node is found: the tile, and the neighbours in it that the node stands over. */
function place(level: number, index: number): { name: TileName; first: number; count: number } {
  const height = level % TILE_HEIGHT;
  const count = 2 ** height;
  const first = index * count;
  const tile = Math.floor(first / TILE_WIDTH);
  return { name: { level: level - height, tile }, first: first - tile * TILE_WIDTH, count };
}

/** Root over hashes side by side, a power of two of them. Of hashes that are not there it makes something that no root equals. */
function subtreeRoot(hash: Hash, hashes: Uint8Array): Uint8Array {
  if (hashes.length <= HASH_BYTES) return hashes;
  const middle = hashes.length / 2;
  return hashNode(hash, subtreeRoot(hash, hashes.subarray(0, middle)), subtreeRoot(hash, hashes.subarray(middle)));
}
