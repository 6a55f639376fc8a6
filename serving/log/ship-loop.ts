import type { Shipper } from "./shipper.ts";

export interface ShipLoopOptions {
  readonly shipper: Shipper;
  /** How much is on disk. */
  readonly endByte: () => number;
  readonly flushMs: number;
  readonly onProblem: (what: string, problem: unknown) => void;
}

/** Ships a growing spool every `flushMs`, one stretch after the other, and less often while nobody takes it. */
export interface ShipLoop {
  /** Ships what there is and then stops, giving up after `withinMs`. */
  readonly finish: (withinMs: number) => Promise<void>;
}

const FIRST_RETRY_MS = 200;
const MAXIMUM_RETRY_MS = 5_000;

export function createShipLoop({ shipper, endByte, flushMs, onProblem }: ShipLoopOptions): ShipLoop {
  let failures = 0;
  let finishing = false;
  let timer: NodeJS.Timeout | undefined;
  let shipping: Promise<void> | undefined;

  const shipAll = async (): Promise<void> => {
    // What comes meanwhile is the next turn's: else a transaction would follow the other, each with a handful of requests.
    const toByte = endByte();
    try {
      while (toByte > shipper.shippedByte && (await shipper.shipNext())) failures = 0;
    } catch (problem) {
      failures++;
      onProblem("requests could not be written to the database and stay on disk", problem);
    }
  };
  const shipNow = (): Promise<void> => {
    shipping ??= shipAll().finally(() => {
      shipping = undefined;
      if (!finishing) schedule();
    });
    return shipping;
  };
  const schedule = (): void => {
    const delay = failures === 0 ? flushMs : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAXIMUM_RETRY_MS);
    timer = setTimeout(() => void shipNow(), delay);
  };
  schedule();

  return {
    finish: async (withinMs) => {
      finishing = true;
      clearTimeout(timer);
      const deadline = Date.now() + withinMs;
      while (endByte() > shipper.shippedByte && Date.now() < deadline) {
        await Promise.race([shipNow(), pause(deadline - Date.now())]);
        if (failures > 0) await pause(Math.min(100, deadline - Date.now()));
      }
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)).unref());
