import type { Digest } from "../../contracts/primitives.ts";

/**
 * Immutable bytes by their SHA-256. Locations are derived from the digest, never taken from a caller.
 * Every implementation passes test/suites/artifact-store.suite.ts.
 */
export interface ArtifactStore {
  /** Human description for messages, without secrets. */
  readonly description: string;
  /** Stores bytes; storing the same bytes again changes nothing. */
  readonly put: (bytes: Uint8Array) => Promise<StoredArtifact>;
  /** Stores a file's bytes, streamed; the source file is left alone. */
  readonly putFile: (path: string) => Promise<StoredArtifact>;
  /**
   * A local file holding exactly these bytes, verified now.
   * @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT
   */
  readonly localPath: (digest: Digest) => Promise<string>;
  /** @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT */
  readonly read: (digest: Digest) => Promise<Uint8Array>;
}

export interface StoredArtifact {
  readonly digest: Digest;
  readonly sizeBytes: number;
}
