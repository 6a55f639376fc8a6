/** SHA-256 over the parts one after the other, 32 bytes. An argument everywhere, because core/ has no Node built-ins. */
export type Hash = (...parts: readonly Uint8Array[]) => Uint8Array;

export const HASH_BYTES = 32;

// Leaves and nodes are hashed apart, so that a node can never be passed off as an event (RFC 9162, 2.1.1).
const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);

/** `SHA-256(0x00 || data)`: what stands in the tree for an event's stored bytes. Source: RFC 9162, 2.1.1. */
export const hashLeaf = (hash: Hash, data: Uint8Array): Uint8Array => hash(LEAF, data);

/** `SHA-256(0x01 || left || right)`. Source: RFC 9162, 2.1.1. */
export const hashNode = (hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array => hash(NODE, left, right);

/** Root of a log without events: the hash of nothing. Source: RFC 9162, 2.1.1. */
export const emptyRoot = (hash: Hash): Uint8Array => hash();

/** Whether two byte strings are the same. Nothing here is secret, so the time it takes may tell. */
export const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
