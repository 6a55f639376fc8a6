import { readDurable, writeDurably } from "../adapters/files/durable-file.ts";
import { withdrawnEpochsSchema, type EndpointRoute } from "../contracts/inference.ts";

/** Canaries that were taken back at this gateway, where Postgres could not say so: each until its endpoint's next epoch. */
export interface Withdrawals {
  /** Whether the epoch's canary, or what is mirrored to it, was taken back. */
  readonly cover: (route: Pick<EndpointRoute, "endpoint" | "epoch">) => boolean;
  /** Holds from the call on; comes back when it would survive a power cut. */
  readonly add: (endpoint: string, epoch: number) => Promise<void>;
}

/** @param path of a file beside the last applied routes */
export async function openWithdrawals(path: string): Promise<Withdrawals> {
  const kept = withdrawnEpochsSchema.safeParse(await readDurable(path));
  const epochs = new Map(Object.entries(kept.success ? kept.data.epochs : {}));
  let writes: Promise<void> = Promise.resolve();
  return {
    cover: ({ endpoint, epoch }) => epoch <= (epochs.get(endpoint) ?? -1),
    add: (endpoint, epoch) => {
      epochs.set(endpoint, Math.max(epoch, epochs.get(endpoint) ?? -1));
      const write = async () => writeDurably(path, { version: 1, epochs: Object.fromEntries(epochs) });
      // One after the other, so that the newest stands; one that failed keeps the next from nothing.
      writes = writes.then(write, write);
      return writes;
    },
  };
}
