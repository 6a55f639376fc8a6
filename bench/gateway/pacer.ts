import { performance } from "node:perf_hooks";
import { parentPort, workerData } from "node:worker_threads";

/**
 * Entry of a thread that says when the next request is due. A timer of the event loop knows milliseconds: requests that are due every
 * 200 microseconds would come five at once, and be measured waiting for each other.
 */
const { perSecond, seconds } = workerData as { readonly perSecond: number; readonly seconds: number };
const never = new Int32Array(new SharedArrayBuffer(4));
const start = performance.now();
for (let index = 0; index < perSecond * seconds; index++) {
  const waitMs = start + (1000 * index) / perSecond - performance.now();
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(null);
}
