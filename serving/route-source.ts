import type { RoutingTable, VersionReport } from "../contracts/inference.ts";

/** Where a gateway learns what to serve, and says what it serves. The real one is Postgres; tests and benchmarks keep one in memory. */
export interface RouteSource {
  /** The whole table as of the database's clock. Doubles as the gateway's sign of life. */
  readonly load: () => Promise<RoutingTable>;
  /** Says that this gateway serves the epoch from now on. */
  readonly confirm: (endpoint: string, epoch: number) => Promise<void>;
  /** Says how a version of a rollout fares here. */
  readonly report: (report: VersionReport) => Promise<void>;
  /** Calls back when something may have changed; a hint that saves waiting for the next poll. Returns how to stop. */
  readonly watch: (onChange: () => void) => () => Promise<void>;
}
