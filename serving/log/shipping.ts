import { join } from "node:path";
import { shipAbandonedSpools } from "./abandoned.ts";
import type { Progress } from "./progress.ts";
import { createShipLoop } from "./ship-loop.ts";
import { Shipper, type ShipperOptions } from "./shipper.ts";

/** The journal of a gateway, as who ships it knows it. */
export interface OwnSpool {
  /** Folder of the spools. */
  readonly root: string;
  readonly name: string;
  readonly gateway: string;
  /** `OWN_RUN` of the gateway's process. */
  readonly run: string;
  readonly progress: Progress;
  readonly onProblem: ShipperOptions["onProblem"];
}

/** Brings journals to where they are asked for, until it is told to finish. */
export interface Shipping {
  /** Ships what is on disk and then ends, giving up after `withinMs`. */
  readonly finish: (withinMs: number) => Promise<void>;
}
export type StartShipping = (spool: OwnSpool) => Shipping;

export interface ShippingOptions extends Pick<ShipperOptions, "ship"> {
  readonly isRefusal?: ShipperOptions["isRefusal"];
  /** How often the journal is looked at; 200 ms by default. */
  readonly flushMs?: number;
}

/** Ships in this thread: a gateway's own spool as it grows, and those that dead gateways left behind. */
export const shipHere =
  ({ ship, isRefusal = () => false, flushMs = 200 }: ShippingOptions): StartShipping =>
  ({ root, name, gateway, run, progress, onProblem }) => {
    const shared = { ship, isRefusal, onProblem };
    const shipper = new Shipper({
      ...shared,
      directory: join(root, name),
      spool: name,
      gateway,
      shippedByte: progress.get("shippedByte"),
      acceptedRows: () => progress.get("acceptedRows"),
      onShipped: ({ toByte, rows, refusedRows }) => {
        progress.add("writtenRows", rows);
        progress.add("refusedRows", refusedRows);
        progress.set("shippedByte", toByte);
      },
    });
    const loop = createShipLoop({ shipper, endByte: () => progress.get("endByte"), flushMs, onProblem });
    const abandoned = shipAbandonedSpools({ ...shared, root, own: name, run });
    return {
      finish: async (withinMs) => {
        await abandoned.stop();
        await loop.finish(withinMs);
      },
    };
  };
