import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServers } from "../local/servers.ts";

/** Runs `work` beside a Temporal server of its own, and leaves nothing behind. */
export async function withServers(work: (temporalAddress: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
  const servers = await startServers({ dataDir, env: process.env });
  try {
    await work(servers.temporal.address);
  } finally {
    await servers.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
