import { type Arm, BASIS_POINTS } from "../../contracts/names.ts";

/** SHA-256 of the bytes, 32 bytes. An argument because core has no Node built-ins. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export interface RoutingKey {
  /** Of the rollout, fresh for each so that the same users are not always the guinea pigs; holds no U+0000. */
  readonly salt: string;
  /** What must stick to one arm: a user, a session, a device; the request id where nothing must. */
  readonly key: string;
  readonly hash: Sha256;
}

const encoder = new TextEncoder();

/**
 * The key's point in [0, 1): first 52 bits, big-endian, of SHA-256(UTF-8 salt, 0x00, UTF-8 key), over 2^52. 52 bits are what
 * a double holds exactly, so every language computes the same point (test/fixtures/rollout/assign.json). The empty key is a key
 * like any other; lone surrogates count as U+FFFD.
 */
export function routingPoint({ salt, key, hash }: RoutingKey): number {
  const digest = hash(encoder.encode(`${salt}\u0000${key}`));
  const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  const high32 = view.getUint32(0);
  const next20 = view.getUint32(4) >>> 12;
  return (high32 * 2 ** 20 + next20) / 2 ** 52;
}

/**
 * Which arm serves a key: `canary` iff its point lies below the share. Raising the share only adds keys to the canary, and
 * pausing and resuming with the same salt brings the same keys back.
 * @param canaryBasisPoints whole, 0 (nobody) to 10 000 (everybody)
 */
export function assignArm({ canaryBasisPoints, ...key }: RoutingKey & { readonly canaryBasisPoints: number }): Arm {
  return routingPoint(key) < canaryBasisPoints / BASIS_POINTS ? "canary" : "champion";
}
