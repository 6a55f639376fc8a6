import type { ArtifactStore } from "../adapters/artifacts/store.ts";
import type { Schedules } from "../adapters/schedules/temporal.ts";
import type { Database } from "../db/client.ts";

/** What activities reach the outside world through; made once by the worker. */
export interface Dependencies {
  readonly database: Database;
  readonly artifacts: ArtifactStore;
  readonly schedules: Schedules;
  /** Scratch space on this machine; everything worth keeping becomes an artifact. */
  readonly workDirectory: string;
}
