import { setTimeout as sleep } from "node:timers/promises";
import { readDurable, writeDurably } from "../adapters/files/durable-file.ts";
import type { KnownGateways } from "../adapters/gateways/known-gateways.ts";
import { gatewayAddressesSchema } from "../contracts/inference.ts";
import type { Database } from "../db/client.ts";
import { hear } from "../db/hear.ts";
import { liveGateways } from "../db/queries/gateway.ts";

const EVERY_MS = 2_000;
/** Longer than a gateway counts as live: one that was just slow is better asked in vain than not at all. */
const SEEN_WITHIN_MS = 60_000;

export interface FollowedGateways {
  readonly database: Database;
  readonly gateways: KnownGateways;
  /** File of the addresses, for a worker that starts while Postgres is away. */
  readonly path: string;
}

/** Keeps the addresses of gateways that lately said they live, so that they are known when Postgres is away. Comes back when those on disk are. */
export async function followGateways({
  database,
  gateways,
  path,
}: FollowedGateways): Promise<{ readonly close: () => Promise<void> }> {
  const kept = gatewayAddressesSchema.safeParse(await readDurable(path));
  let known: readonly string[] = kept.success ? kept.data.addresses : [];
  gateways.remember(known);
  const learn = async (): Promise<void> => {
    const heard = await hear(liveGateways(database, { maximumAgeMs: SEEN_WITHIN_MS }));
    if (!heard) return;
    const addresses = [...new Set(heard.answer.flatMap(({ address }) => address ?? []))].toSorted();
    gateways.remember(addresses);
    if (addresses.join() === known.join()) return;
    await writeDurably(path, { version: 1, addresses });
    known = addresses;
  };
  const stopped = new AbortController();
  const following = (async () => {
    while (!stopped.signal.aborted) {
      // What could not be heard or written is heard and written the next time.
      await learn().catch(() => undefined);
      await sleep(EVERY_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  })();
  return {
    close: async () => {
      stopped.abort();
      await following;
    },
  };
}
