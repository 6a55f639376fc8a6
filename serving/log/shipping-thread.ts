import type { Worker } from "node:worker_threads";
import { startThread } from "../../adapters/compute/fork-program.ts";
import type { Shipping, StartShipping } from "./shipping.ts";

/** What the thread is started with. */
export interface ThreadData {
  readonly databaseUrl: string;
  readonly root: string;
  readonly name: string;
  readonly gateway: string;
  readonly run: string;
  readonly memory: SharedArrayBuffer;
}
/** What it is told. */
export interface ToShippingThread {
  readonly finishWithinMs: number;
}
/** What it tells: a line for the operator. */
export interface FromShippingThread {
  readonly what: string;
  readonly reason: string;
}

const entry = new URL("./shipping-worker.ts", import.meta.url);
const AGAIN_AFTER_MS = 1_000;
/** What the thread is given beyond its time to close its connections. */
const GRACE_MS = 2_000;

/**
 * Ships to Postgres in a thread of its own: reading a journal back, adding up and encoding would take requests a quarter of the
 * gateway's time. A thread that ends by a bug is started again, and goes on where Postgres says.
 */
export const shipInThread =
  ({ databaseUrl }: { readonly databaseUrl: string }): StartShipping =>
  ({ root, name, gateway, run, progress, onProblem }): Shipping => {
    const workerData: ThreadData = { databaseUrl, root, name, gateway, run, memory: progress.memory };
    let finishing = false;
    let again: NodeJS.Timeout | undefined;
    let worker: Worker;
    let ended: Promise<void>;
    const start = (): void => {
      worker = startThread(entry, { workerData });
      worker.on("message", ({ what, reason }: FromShippingThread) => onProblem(what, reason));
      worker.on("error", (problem) => onProblem("the thread that ships requests failed and is started again", problem));
      ended = new Promise((resolve) => {
        worker.once("exit", () => {
          if (!finishing) again = setTimeout(start, AGAIN_AFTER_MS).unref();
          resolve();
        });
      });
    };
    start();
    return {
      finish: async (withinMs) => {
        finishing = true;
        clearTimeout(again);
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage({ finishWithinMs: withinMs } satisfies ToShippingThread);
        const timer = setTimeout(() => void worker.terminate(), withinMs + GRACE_MS);
        await ended;
        clearTimeout(timer);
      },
    };
  };
