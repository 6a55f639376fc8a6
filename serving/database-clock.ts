import { performance } from "node:perf_hooks";

/**
 * The database's clock seen from here: measured once a poll against the monotonic clock, so that a wrong or jumping wall
 * clock of this machine changes nothing.
 */
export interface DatabaseClock {
  /** Records that the database said `databaseNowMs` between two readings of `performance.now()`. */
  readonly observe: (databaseNowMs: number, sentAt: number, receivedAt: number) => void;
  /** Milliseconds since 1970; the wall clock's until the database was first heard. */
  readonly nowMs: () => number;
  /** The latest reading of `performance.now()` at which `databaseMs` has certainly not passed. */
  readonly deadline: (databaseMs: number) => number;
}

export function createDatabaseClock(): DatabaseClock {
  /** Database time minus monotonic time: the middle for stamps, the upper end for deadlines. */
  let middle = Date.now() - performance.now();
  let latest = Number.POSITIVE_INFINITY;
  return {
    observe: (databaseNowMs, sentAt, receivedAt) => {
      middle = databaseNowMs - (sentAt + receivedAt) / 2;
      // The database may have read its clock the moment we asked: a lease must never outlive its end by the way back.
      latest = databaseNowMs - sentAt;
    },
    nowMs: () => performance.now() + middle,
    deadline: (databaseMs) => databaseMs - latest,
  };
}
