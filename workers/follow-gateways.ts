import { setTimeout as sleep } from "node:timers/promises";
import type { KnownGateways } from "../adapters/gateways/known-gateways.ts";
import type { Database } from "../db/client.ts";
import { hear } from "../db/hear.ts";
import { liveGateways } from "../db/queries/gateway.ts";

const EVERY_MS = 2_000;
/** Longer than a gateway counts as live: one that was just slow is better asked in vain than not at all. */
const SEEN_WITHIN_MS = 60_000;

/** Keeps the addresses of gateways that lately said they live, so that they are known when Postgres is away. */
export function followGateways(database: Database, gateways: KnownGateways): { readonly close: () => Promise<void> } {
  const stopped = new AbortController();
  const following = (async () => {
    while (!stopped.signal.aborted) {
      const heard = await hear(liveGateways(database, { maximumAgeMs: SEEN_WITHIN_MS })).catch(() => null);
      if (heard) gateways.remember(heard.answer.flatMap(({ address }) => address ?? []));
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
