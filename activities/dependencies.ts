import type { ArtifactStore } from "../adapters/artifacts/store.ts";
import type { KnownGateways } from "../adapters/gateways/known-gateways.ts";
import type { Schedules } from "../adapters/schedules/temporal.ts";
import type { Database } from "../db/client.ts";

export interface CheckpointPlace {
  /** File of checkpoints, outside the database. */
  readonly path: string;
  readonly keyPath: string;
}

/** What activities reach the outside world through; made once by the worker. */
export interface Dependencies {
  readonly database: Database;
  readonly artifacts: ArtifactStore;
  readonly schedules: Schedules;
  readonly gateways: KnownGateways;
  /** Of the sources this worker runs; executions carry it. */
  readonly codeDigest: string;
  /** Scratch space on this machine; everything worth keeping becomes an artifact. */
  readonly workDirectory: string;
  /** Where checkpoints of the audit log are signed into; null where they are not. */
  readonly checkpoints: CheckpointPlace | null;
}
