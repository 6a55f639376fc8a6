import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ProvidedContext } from "vitest";
import type { TestProject } from "vitest/node";

import { startServers, type Servers } from "../../local/servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of a superuser; every test file creates databases of its own. */
    adminUrl: string;
    /** `host:port` of Temporal, namespace `default`; every test file uses task queues of its own. */
    temporalAddress: string;
  }
}

interface Shared {
  readonly servers: Promise<Servers>;
  users: number;
}

// vitest loads this file once for every tier, and all tiers share one pair of servers: the state is the process's.
const process_ = globalThis as { modelwrightTestServers?: Shared };

/** Starts one Postgres and one Temporal for the tiers that need them, and stops them after the last of these. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (process_.modelwrightTestServers ??= { servers: startForTests(), users: 0 });
  shared.users++;
  const servers = await shared.servers;
  const context = {
    adminUrl: servers.postgres.adminUrl,
    temporalAddress: servers.temporal.address,
  } satisfies ProvidedContext;
  project.provide("adminUrl", context.adminUrl);
  project.provide("temporalAddress", context.temporalAddress);
  return async () => {
    shared.users--;
    if (shared.users > 0) return;
    delete process_.modelwrightTestServers;
    await servers.stop();
  };
}

async function startForTests(): Promise<Servers> {
  const dataDir = await mkdtemp(join(tmpdir(), "modelwright-test-"));
  const servers = await startServers({
    dataDir,
    env: process.env,
    // Nothing here outlives the run, so nothing has to reach the disk.
    postgresSettings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off" },
  });
  return {
    ...servers,
    stop: async () => {
      await servers.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
