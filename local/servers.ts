import { realpath } from "node:fs/promises";

import { cacheDir } from "./data-directory.ts";
import { lockDataDir } from "./lock.ts";
import { openPorts, type Ports } from "./ports.ts";
import { startPostgres, type PostgresOptions, type PostgresServer } from "./postgres.ts";
import { startReaper, type Reaper } from "./reaper.ts";
import { startTemporal, type TemporalOptions, type TemporalServer } from "./temporal.ts";

export interface Servers {
  readonly dataDir: string;
  readonly postgres: PostgresServer;
  readonly temporal: TemporalServer;
  /** Ends what is given to it should this process be killed. */
  readonly reaper: Reaper;
  /** Those of the data directory, for what else shall answer where it did the last time. */
  readonly ports: Ports;
  /** Stops what was started here, and gives the data directory free. May be called more than once. */
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly searchAttributes?: TemporalOptions["searchAttributes"];
  readonly postgresSettings?: PostgresOptions["settings"];
  readonly onProgress?: (line: string) => void;
  /** When it is aborted, starting fails with its reason and nothing that was started is left. */
  readonly signal?: AbortSignal;
}

/**
 * Starts Postgres and Temporal side by side on a data directory that nobody else uses, without anything of our own on
 * them, and keeps them running until they are stopped. Fails with STACK_NOT_STARTED or STACK_UNREACHABLE and then leaves nothing running.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { env, signal, searchAttributes, postgresSettings } = options;
  signal?.throwIfAborted();
  const lock = await lockDataDir(options.dataDir);
  const dataDir = await realpath(options.dataDir);
  const reaper = startReaper();
  reaper.removeFile(lock.path, lock.content);
  const ports = await openPorts(dataDir);
  const shared = { dataDir, env, onProgress: options.onProgress ?? (() => undefined), reaper, ports };
  const starting = {
    postgres: startPostgres({
      ...shared,
      ...(postgresSettings ? { settings: postgresSettings } : {}),
    }),
    temporal: startTemporal({
      ...shared,
      cacheDir,
      ...(searchAttributes ? { searchAttributes } : {}),
      ...(signal ? { signal } : {}),
    }),
  };
  const stop = once(async () => {
    const stops = await Promise.allSettled(Object.values(starting).map(async (server) => await (await server).stop()));
    await reaper.close();
    await lock.release();
    const failed = stops.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  });
  try {
    const [postgres, temporal] = await Promise.all([starting.postgres, starting.temporal]);
    signal?.throwIfAborted();
    return { dataDir, postgres, temporal, reaper, ports, stop };
  } catch (error) {
    await stop().catch(() => undefined); // It would repeat the failure that is reported here.
    throw error;
  }
}

/** Makes every call after the first wait for the first one's outcome. */
export function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return async () => await (running ??= action());
}
