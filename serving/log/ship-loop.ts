import type { Shipper } from "./shipper.ts";

export interface ShipLoopOptions {
  readonly shipper: Shipper;
  /** How much is on disk; told before each decision whether to go on. */
  readonly endByte: () => number;
  readonly flushMs: number;
  readonly onProblem: (what: string, problem: unknown) => void;
}

/** Ships a growing spool, one stretch after the other: soon, at once where that is worth it, and less often while nobody takes it. */
export interface ShipLoop {
  readonly wake: (options: { readonly atOnce: boolean }) => void;
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
    try {
      while (await shipper.shipNext()) failures = 0;
    } catch (problem) {
      failures++;
      onProblem("requests could not be written to the database and stay on disk", problem);
    }
  };
  const shipNow = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    shipping ??= shipAll().finally(() => {
      shipping = undefined;
      if (endByte() > shipper.shippedByte) schedule();
    });
    return shipping;
  };
  const schedule = (): void => {
    const delay = failures === 0 ? flushMs : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAXIMUM_RETRY_MS);
    if (!shipping && !finishing) timer ??= setTimeout(() => void shipNow(), delay);
  };

  return {
    wake: ({ atOnce }) => {
      if (atOnce && failures === 0) void shipNow();
      else schedule();
    },
    finish: async (withinMs) => {
      finishing = true;
      const deadline = Date.now() + withinMs;
      while (endByte() > shipper.shippedByte && Date.now() < deadline) {
        await Promise.race([shipNow(), pause(deadline - Date.now())]);
        if (failures > 0) await pause(Math.min(100, deadline - Date.now()));
      }
      clearTimeout(timer);
    },
  };
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)).unref());
