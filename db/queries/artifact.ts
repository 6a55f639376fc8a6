import { asc, eq, gt } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { recordRows } from "../record-rows.ts";
import { artifact, datasetSnapshot } from "../schema/artifact.ts";

export type Artifact = typeof artifact.$inferSelect;
/** Bytes that are stored, as the registry takes them. */
export type StoredBytes = Omit<Artifact, "createdAt">;
export type DatasetSnapshot = typeof datasetSnapshot.$inferSelect;

/** Records that bytes exist under their digest. The first record stays: equal digest, equal bytes. */
export async function registerArtifact(tx: Transaction, values: StoredBytes): Promise<void> {
  await recordRows(tx, artifact, [values]);
}

/** Records what a dataset artifact is and where it came from; the first record stays. Its artifact is registered before. */
export async function recordSnapshot(tx: Transaction, values: Omit<DatasetSnapshot, "createdAt">): Promise<void> {
  await recordRows(tx, datasetSnapshot, [values]);
}

export async function findSnapshot(db: Queryable, digest: string): Promise<DatasetSnapshot | null> {
  const [found] = await db.select().from(datasetSnapshot).where(eq(datasetSnapshot.digest, digest));
  return found ?? null;
}

const PAGE = 1000;

/** Every artifact on record, by digest. */
export async function* listArtifacts(db: Queryable): AsyncGenerator<Artifact> {
  for (let last = ""; ;) {
    const page = await db
      .select()
      .from(artifact)
      .where(gt(artifact.digest, last))
      .orderBy(asc(artifact.digest))
      .limit(PAGE);
    yield* page;
    const newest = page.at(-1);
    if (!newest || page.length < PAGE) return;
    last = newest.digest;
  }
}
