import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Shipper, type ShipperOptions } from "./shipper.ts";
import { lookForSpools, readGateway, type SpoolLook } from "./spool-owner.ts";

export interface AbandonedOptions extends Pick<ShipperOptions, "ship" | "isRefusal" | "onProblem"> {
  /** Folder of the spools. */
  readonly root: string;
  /** Name of the spool that is not abandoned. */
  readonly own: string;
  /** `OWN_RUN` of the process. */
  readonly run: string;
}

const LOOK_EVERY_MS = 30_000;

/** Brings to Postgres what dead gateways left behind, at once and then every half minute. */
export function shipAbandonedSpools(options: AbandonedOptions): { readonly stop: () => Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let beats: SpoolLook["beats"] = new Map();
  const look = async (): Promise<void> => {
    try {
      const found = await lookForSpools(options.root, options.run, beats);
      ({ beats } = found);
      for (const name of found.abandoned) {
        if (name !== options.own) await shipWhole(options, name, () => stopped);
      }
    } catch (problem) {
      options.onProblem("what a dead gateway left on disk could not be written to the database", problem);
    }
    if (!stopped) timer = setTimeout(again, LOOK_EVERY_MS).unref();
  };
  const again = (): void => {
    looking = look();
  };
  let looking = look();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

async function shipWhole(options: AbandonedOptions, name: string, isStopped: () => boolean): Promise<void> {
  const directory = join(options.root, name);
  const shipper = new Shipper({
    ...options,
    directory,
    spool: name,
    gateway: await readGateway(directory),
    acceptedRows: () => null,
  });
  while (!isStopped()) {
    if (await shipper.shipNext()) continue;
    await rm(directory, { recursive: true, force: true });
    return;
  }
}
