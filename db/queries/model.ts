import { and, asc, count, desc, eq, max, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { model, modelVersion } from "../schema/model.ts";

export type ModelVersion = typeof modelVersion.$inferSelect;

/** Makes the model if it is new; an existing one keeps its purpose unless the new one says something. */
export async function ensureModel(
  tx: Transaction,
  { name, purpose }: { name: string; purpose: string },
): Promise<void> {
  await recordRows(tx, model, [{ name, purpose }]);
  if (purpose !== "") await tx.execute(sql`SELECT describe_model(${name}, ${purpose})`);
}

/** What a lifecycle makes in a round has one name (`trained`, `optimized`): a retried step finds its version again. */
export interface VersionKey {
  readonly lifecycle: string;
  readonly round: number;
  readonly name: string;
}

export interface VersionRequest extends Pick<
  ModelVersion,
  "model" | "artifact" | "signature" | "origin" | "parentVersion" | "facts" | "createdBy"
> {
  /** Null for a version from outside any lifecycle; then the operation ledger alone keeps it single. */
  readonly key: VersionKey | null;
}

/**
 * Adds the next version of a model; its number comes from the database, gap-free however many register at once. Under a key
 * that has its version that one is returned; with other bytes it fails with OPERATION_CONFLICT. Model and artifact are
 * registered before.
 */
export async function registerVersion(tx: Transaction, { key, ...values }: VersionRequest): Promise<ModelVersion> {
  const [made] = await recordRows(tx, modelVersion, [{ ...values, ...key, id: createId(), number: 0 }]);
  if (made) return made;
  const found = key && (await findVersionByKey(tx, key));
  if (!found || found.artifact !== values.artifact) {
    throw new Failure("OPERATION_CONFLICT", { key: `${key?.lifecycle}/${key?.round}/${key?.name}` });
  }
  return found;
}

async function findVersionByKey(db: Queryable, { lifecycle, round, name }: VersionKey): Promise<ModelVersion | null> {
  const [found] = await db
    .select()
    .from(modelVersion)
    .where(and(eq(modelVersion.lifecycle, lifecycle), eq(modelVersion.round, round), eq(modelVersion.name, name)));
  return found ?? null;
}

export async function findVersionById(db: Queryable, id: string): Promise<ModelVersion | null> {
  const [found] = await db.select().from(modelVersion).where(eq(modelVersion.id, id));
  return found ?? null;
}

/** `NAME@N`. */
export async function findVersion(
  db: Queryable,
  { model: name, number }: { model: string; number: number },
): Promise<ModelVersion | null> {
  const [found] = await db
    .select()
    .from(modelVersion)
    .where(and(eq(modelVersion.model, name), eq(modelVersion.number, number)));
  return found ?? null;
}

/** Versions of a model, newest first. */
export async function listVersions(db: Queryable, name: string, limit = 100): Promise<ModelVersion[]> {
  return await db
    .select()
    .from(modelVersion)
    .where(eq(modelVersion.model, name))
    .orderBy(desc(modelVersion.number))
    .limit(limit);
}

export interface ModelSummary {
  readonly name: string;
  readonly purpose: string;
  readonly versionCount: number;
  /** Number of the newest version, or null without one. */
  readonly latestNumber: number | null;
}

/** Every model by name. */
export async function listModels(db: Queryable): Promise<ModelSummary[]> {
  return await db
    .select({
      name: model.name,
      purpose: model.purpose,
      versionCount: count(modelVersion.id),
      latestNumber: max(modelVersion.number),
    })
    .from(model)
    .leftJoin(modelVersion, eq(modelVersion.model, model.name))
    .groupBy(model.name)
    .orderBy(asc(model.name));
}
