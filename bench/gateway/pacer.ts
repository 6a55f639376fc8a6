import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

export interface PacerData {
  readonly perSecond: number;
  /** Of requests altogether. */
  readonly count: number;
  /** Of one request. */
  readonly bytes: Uint8Array;
  /** Of the connections. */
  readonly descriptors: readonly number[];
  /** Shared, one a connection: when the request was due whose answer it waits for, in nanoseconds of `process.hrtime`; 0 where it waits for none. */
  readonly dueAt: BigInt64Array;
  /** Shared: how many answers came, of which whoever waits for a connection is notified. */
  readonly answered: Int32Array;
}

/**
 * Entry of a thread that asks each request when it is due. A timer of the event loop knows milliseconds: requests that are due every
 * 200 microseconds would come five at once, and be measured waiting for each other. It writes to the sockets itself: to wake another thread for
 * each takes processor time that the gateway, on the same cores, then lacks.
 */
askEvenly(workerData as PacerData);

function askEvenly({ perSecond, count, bytes, descriptors, dueAt, answered }: PacerData): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const start = process.hrtime.bigint();
  let connection = 0;
  for (let index = 0; index < count; index++) {
    const due = start + BigInt(Math.round((index * 1e9) / perSecond));
    const waitMs = Number(due - process.hrtime.bigint()) / 1e6;
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
    connection = nextIdle(dueAt, connection, answered);
    Atomics.store(dueAt, connection, due);
    writeSync(descriptors[connection] ?? -1, bytes);
  }
}

/** The next connection after the last one asked that is idle; where none is, the first that will be. */
function nextIdle(dueAt: BigInt64Array, last: number, answered: Int32Array): number {
  for (;;) {
    const seen = Atomics.load(answered, 0);
    for (let step = 1; step <= dueAt.length; step++) {
      const connection = (last + step) % dueAt.length;
      if (Atomics.load(dueAt, connection) === 0n) return connection;
    }
    Atomics.wait(answered, 0, seen);
  }
}
