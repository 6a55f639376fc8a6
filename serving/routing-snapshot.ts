import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { routingSnapshotSchema, type RoutingSnapshot } from "../contracts/inference.ts";

/**
 * The last applied routes on disk. Written beside its place, fsynced and renamed: after a power cut there is the old file or
 * the new one.
 */
export async function writeRoutingSnapshot(path: string, snapshot: Omit<RoutingSnapshot, "version">): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // Replicas may share the directory, and in containers they share the process id as well.
  const incoming = `${path}.${randomUUID()}`;
  const file = await open(incoming, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify({ version: 1, ...snapshot }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(incoming, path);
}

/**
 * Routes to start with while Postgres is away. Nothing is known of the time that passed, so every canary's lease counts as
 * over.
 *
 * @returns null when there is no file or it is not a snapshot: a gateway without one waits for Postgres
 */
export async function readRoutingSnapshot(path: string): Promise<RoutingSnapshot | null> {
  try {
    const snapshot = routingSnapshotSchema.parse(JSON.parse(await readFile(path, "utf8")));
    return { ...snapshot, routes: snapshot.routes.map((route) => ({ ...route, leaseUntilMs: null })) };
  } catch {
    return null;
  }
}
