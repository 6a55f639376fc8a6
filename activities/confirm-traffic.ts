import { Context } from "@temporalio/activity";
import { Failure } from "../contracts/failures.ts";
import type { Database } from "../db/client.ts";
import { liveGateways } from "../db/queries/gateway.ts";
import { findRollout } from "../db/queries/rollout.ts";
import { loadRouting } from "../db/queries/routing.ts";
import type { Dependencies } from "./dependencies.ts";

/** A gateway that was not seen for this long does not count as live: its canary lease ends without it. */
const LIVE_WITHIN_MS = 5000;
const POLL_EVERY_MS = 100;

/** How long a caller waits for the gateways. */
export const whoConfirms = { shifting: 20_000, closing: 10_000 } as const;

/**
 * Waits until every live gateway applies the rollout's epoch; only then does measuring begin.
 * @throws GATEWAY_UNCONFIRMED, retried by the workflow within its total bound
 */
export async function confirmTraffic({ database }: Dependencies, { rolloutId }: { rolloutId: string }): Promise<void> {
  const rollout = await findRollout(database, rolloutId);
  if (!rollout) throw new Failure("REFERENCE_UNKNOWN", { reference: `rollout/${rolloutId}` });
  const { epoch, missing } = await awaitConfirmation(database, rollout.endpoint, whoConfirms.shifting);
  if (missing !== null) throw new Failure("GATEWAY_UNCONFIRMED", { endpoint: rollout.endpoint, epoch, missing });
}

/** The gateways that have not applied the endpoint's current epoch when the wait ends, in words, or null. */
export async function awaitConfirmation(
  database: Database,
  endpoint: string,
  waitMs: number,
): Promise<{ readonly epoch: number; readonly missing: string | null }> {
  const until = Date.now() + waitMs;
  for (;;) {
    const [routing] = await loadRouting(database, { endpoint });
    const epoch = routing?.epoch ?? 0;
    const gateways = await liveGateways(database, { maximumAgeMs: LIVE_WITHIN_MS });
    const behind = gateways
      .filter((gateway) => (gateway.routes.get(endpoint) ?? 0) < epoch)
      .map((gateway) => gateway.id);
    const missing = gateways.length === 0 ? "any gateway: none is live" : behind.join(", ");
    if (missing === "") return { epoch, missing: null };
    if (Date.now() > until) return { epoch, missing };
    await Context.current().sleep(POLL_EVERY_MS);
  }
}
