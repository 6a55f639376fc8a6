import { setTimeout as sleep } from "node:timers/promises";

import { Client } from "pg";

import { ROUTING_CHANNEL } from "./queries/routing.ts";
import { APPLICATION_NAME } from "./release.ts";

export interface RoutingListener {
  close(): Promise<void>;
}

const RETRY_MS = 1000;

/**
 * Calls `onChange` with the endpoint's name whenever routing changed, on a connection of its own that is opened again after
 * every loss. What is said in between is lost: poll as well.
 */
export function listenForRouting(options: { url: string; onChange: (endpoint: string) => void }): RoutingListener {
  const stopped = new AbortController();
  const running = listen(options, stopped.signal);
  return {
    close: async () => {
      stopped.abort();
      await running;
    },
  };
}

async function listen(
  { url, onChange }: { url: string; onChange: (endpoint: string) => void },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const client = new Client({
      connectionString: url,
      application_name: `${APPLICATION_NAME} routing`,
      keepAlive: true,
    });
    const lost = new AbortController();
    const ended = new Promise<void>((resolve) => {
      client.once("end", resolve);
      client.on("error", () => resolve());
      signal.addEventListener("abort", () => resolve(), { once: true, signal: lost.signal });
    });
    client.on("notification", ({ payload }) => onChange(payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${ROUTING_CHANNEL}`);
      await ended;
    } catch {
      // Postgres is away; polling says so where it matters, here the next turn tries again.
    }
    lost.abort();
    await client.end().catch(() => undefined);
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
