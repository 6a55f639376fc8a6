import { and, asc, eq, sql } from "drizzle-orm";

import { Failure } from "../../contracts/failures.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recording, recordRows, rowAsJson } from "../record-rows.ts";
import { artifact as artifactTable } from "../schema/artifact.ts";
import { model, modelVersion } from "../schema/model.ts";
import { versionState } from "../schema/registry.ts";
import type { StoredBytes } from "./artifact.ts";
import { auditBodyText } from "./audit.ts";
import { executionRow, type ExecutionFrame, type LineagePart } from "./lineage/record-execution.ts";

export type ModelVersion = typeof modelVersion.$inferSelect;

/** Makes the model if it is new. What is said about it, its purpose for one, are entries of the registry. */
export async function ensureModel(tx: Transaction, name: string): Promise<void> {
  // Looked for before: an INSERT that meets the name would wait for everybody who registers a version of it.
  const found = await tx.select({ name: model.name }).from(model).where(eq(model.name, name));
  if (found.length === 0) await recordRows(tx, model, [{ name, purpose: "" }]);
}

const SHOWN = 20;

/** @throws MODEL_UNKNOWN with the names there are */
export async function requireModel(db: Queryable, name: string): Promise<void> {
  const found = await db.select({ name: model.name }).from(model).where(eq(model.name, name));
  if (found.length > 0) return;
  const others = await db
    .select({ name: model.name })
    .from(model)
    .orderBy(asc(model.name))
    .limit(SHOWN + 1);
  const names = others.slice(0, SHOWN).map((one) => one.name);
  throw new Failure("MODEL_UNKNOWN", {
    model: name,
    found: [...names, ...(others.length > SHOWN ? ["..."] : [])].join(", ") || "(none)",
  });
}

/** What a lifecycle makes in a round has one name (`trained`, `optimized`): a retried step finds its version again. */
export interface VersionKey {
  readonly lifecycle: string;
  readonly round: number;
  readonly name: string;
}

export interface VersionRequest extends Pick<
  ModelVersion,
  "model" | "signature" | "origin" | "parentVersion" | "facts" | "createdBy"
> {
  /** Its bytes: their digest where they are on record, else they are recorded with it. */
  readonly artifact: string | StoredBytes;
  /** Null for a version from outside any lifecycle; then the operation ledger alone keeps it single. */
  readonly key: VersionKey | null;
}

/** How a version came: its execution, and what its audit event tells besides the version's own. */
export interface VersionProvenance {
  readonly frame: ExecutionFrame;
  /** Its bytes are used anyway. */
  readonly used: readonly LineagePart[];
  /** Digest of the snapshot it was trained on, null unless it was. */
  readonly trainingData: string | null;
  /** Digest of the statement by which somebody asked for it, or null. */
  readonly statement: string | null;
}

/** What names a version. */
export type NewVersion = Pick<ModelVersion, "id" | "model" | "number" | "artifact">;

/**
 * Adds the next version of a model with its lineage and audit event; its number comes from the database, gap-free however many
 * register at once. Under a key that has its version that one is returned and no other version recorded; with other bytes it fails with
 * OPERATION_CONFLICT. The model is registered before.
 */
export async function registerVersion(
  tx: Transaction,
  { key, artifact: bytes, ...values }: VersionRequest,
  { frame, used, trainingData, statement }: VersionProvenance,
): Promise<NewVersion> {
  const { model: name, signature, origin, parentVersion } = values;
  const [artifact, kept] = typeof bytes === "string" ? [bytes, null] : [bytes.digest, rowAsJson(artifactTable, bytes)];
  const id = createId();
  const execution = executionRow({ ...frame, kind: "register", parameters: { model: name, origin, signature } });
  const body = auditBodyText({
    kind: "version-registered",
    versionId: id,
    digest: artifact,
    origin,
    parentVersionId: parentVersion,
    trainingData,
    lifecycle: key?.lifecycle ?? null,
  });
  const parts: LineagePart[] = [{ ref: `artifact/${artifact}`, role: "bytes" }, ...used];
  const row = rowAsJson(modelVersion, { ...values, ...key, artifact, id, number: 0 });
  const [given, told, executed, usedParts] = [kept, row, execution, parts].map((part) => part && JSON.stringify(part));
  const call = sql`SELECT register_version(${given}, ${told}, ${executed}, ${usedParts}, ${statement}, ${body}) AS number`;
  const { rows } = await recording(() => tx.execute<{ number: number | null }>(call));
  const number = rows[0]?.number ?? null;
  if (number !== null) return { id, model: name, number, artifact };
  const found = key && (await findVersionByKey(tx, key));
  if (!found || found.artifact !== artifact) {
    throw new Failure("OPERATION_CONFLICT", { key: `${key?.lifecycle}/${key?.round}/${key?.name}` });
  }
  return found;
}

/**
 * The version registered by hand with these bytes and this signature, or null. Holds the model until the transaction ends, so that of
 * two who register the same at once the second finds the first. Fails with DELETED when that version is.
 */
export async function findRegistered(
  tx: Transaction,
  { model: name, artifact, signature }: Pick<ModelVersion, "model" | "artifact" | "signature">,
): Promise<ModelVersion | null> {
  await tx.execute(sql`SELECT lock_model(${name})`);
  const found = await tx
    .select({ version: modelVersion, state: versionState.state })
    .from(modelVersion)
    .innerJoin(versionState, and(eq(versionState.model, name), eq(versionState.number, modelVersion.number)))
    .where(
      and(eq(modelVersion.artifact, artifact), eq(modelVersion.model, name), eq(modelVersion.origin, "registered")),
    )
    .orderBy(asc(modelVersion.number));
  const same = found.filter(({ version }) => digestOf(version.signature) === digestOf(signature));
  const there = same.find(({ state }) => !state.tombstone) ?? same[0];
  if (there?.state.tombstone) throw new Failure("DELETED", { subject: `${name}@${there.version.number}` });
  return there?.version ?? null;
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
