/** How an audit log is read by whoever checks or signs it: from Postgres, or in tests from memory. */

/** What is wrong with a chain in itself. */
export interface AuditProblem {
  readonly stream: string;
  /** Number of the first event that is not as it was recorded. */
  readonly seq: number;
  readonly kind: "modified" | "missing" | "truncated";
}

export interface AuditVerification {
  readonly ok: boolean;
  /** Events found right, in all streams together. */
  readonly events: number;
  /** The first problem of the first stream that has one. */
  readonly problem?: AuditProblem;
}

/** An event that was found as it was recorded. */
export interface VerifiedEvent {
  readonly stream: string;
  readonly seq: number;
  /** The stored canonical bytes. */
  readonly body: Uint8Array;
}

export interface AuditVerificationOptions {
  /** All of them unless told. */
  readonly stream?: string;
  /** Goes on after this event, whose hash is taken as it is stored. From the first event unless told. */
  readonly after?: number;
  /** Told every event found right, in order, stream after stream, up to the first problem. */
  readonly onEvent?: (event: VerifiedEvent) => void;
}

/** 256 neighbours of a level of the Merkle tree, number `tile * 256` and on; the levels are multiples of 8, 0 has the leaves. */
export interface TileName {
  readonly level: number;
  readonly tile: number;
}

export interface Tile extends TileName {
  /** The hashes one after the other, 32 bytes each; fewer than 256 at the right edge of the log. */
  readonly hashes: Uint8Array;
}

export interface AuditLog {
  /** Every stream that has a head, with the number of events the head counts. */
  readonly heads: () => Promise<readonly { readonly stream: string; readonly size: number }[]>;
  readonly verify: (options?: AuditVerificationOptions) => Promise<AuditVerification>;
  /** Keeps the roots of the complete subtrees that are not kept yet. */
  readonly keepNodes: (stream: string) => Promise<void>;
  /** Returns when everything that was read before is on disk: what is signed outside the database must not go with a crash. */
  readonly onDisk: () => Promise<void>;
  /** Tiles as far as they are there. */
  readonly tiles: (stream: string, wanted: readonly TileName[]) => Promise<readonly Tile[]>;
}
