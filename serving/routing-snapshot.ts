import { readDurable, writeDurably } from "../adapters/files/durable-file.ts";
import { routingSnapshotSchema, type RoutingSnapshot } from "../contracts/inference.ts";

/** The last applied routes on disk. */
export async function writeRoutingSnapshot(path: string, snapshot: Omit<RoutingSnapshot, "version">): Promise<void> {
  await writeDurably(path, { version: 1, ...snapshot });
}

/**
 * Routes to start with while Postgres is away. Nothing is known of the time that passed, so every canary's lease counts as
 * over.
 *
 * @returns null when there is no file or it is not a snapshot: a gateway without one waits for Postgres
 */
export async function readRoutingSnapshot(path: string): Promise<RoutingSnapshot | null> {
  const { success, data } = routingSnapshotSchema.safeParse(await readDurable(path));
  return success ? { ...data, routes: data.routes.map((route) => ({ ...route, leaseUntilMs: null })) } : null;
}
