import { setTimeout as sleep } from "node:timers/promises";

import { Client } from "pg";

import { APPLICATION_NAME } from "./release.ts";

export interface Listener {
  close(): Promise<void>;
}

const RETRY_MS = 1000;

export interface ListenOptions {
  readonly url: string;
  /** As named where it is told: `ROUTING_CHANNEL`, `ALARM_CHANNEL`. */
  readonly channel: string;
  readonly onTold: (payload: string) => void;
}

/**
 * Calls `onTold` with what is told on a channel of NOTIFY, on a connection of its own that is opened again after every loss. What is
 * said in between is lost: poll as well.
 */
export function listenTo(options: ListenOptions): Listener {
  const stopped = new AbortController();
  const running = listen(options, stopped.signal);
  return {
    close: async () => {
      stopped.abort();
      await running;
    },
  };
}

async function listen({ url, channel, onTold }: ListenOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = new Client({
      connectionString: url,
      application_name: `${APPLICATION_NAME} listening`,
      keepAlive: true,
    });
    const lost = new AbortController();
    const ended = new Promise<void>((resolve) => {
      client.once("end", resolve);
      client.on("error", () => resolve());
      signal.addEventListener("abort", () => resolve(), { once: true, signal: lost.signal });
    });
    client.on("notification", ({ payload }) => onTold(payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
      await ended;
    } catch {
      // Postgres is away; polling says so where it matters, here the next turn tries again.
    }
    lost.abort();
    await client.end().catch(() => undefined);
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
