import { and, asc, eq, sql } from "drizzle-orm";

import type { Queryable } from "../../client.ts";
import { modelVersion } from "../../schema/model.ts";
import { versionState } from "../../schema/registry.ts";
import type { ModelVersion } from "../model.ts";

/** Numbers of the same model. */
export interface Kin {
  /** The version it was made from; null for one that was trained or registered. */
  readonly parent: number | null;
  /** Versions made from it that are not deleted. */
  readonly children: readonly number[];
}

export async function listKin(
  db: Queryable,
  { id, model, parentVersion }: Pick<ModelVersion, "id" | "model" | "parentVersion">,
): Promise<Kin> {
  const children = await db
    .select({ number: modelVersion.number })
    .from(modelVersion)
    .innerJoin(versionState, and(eq(versionState.model, model), eq(versionState.number, modelVersion.number)))
    .where(and(eq(modelVersion.parentVersion, id), sql`NOT ${versionState.state} ? 'tombstone'`))
    .orderBy(asc(modelVersion.number));
  const [parent] =
    parentVersion === null
      ? []
      : await db.select({ number: modelVersion.number }).from(modelVersion).where(eq(modelVersion.id, parentVersion));
  return { parent: parent?.number ?? null, children: children.map(({ number }) => number) };
}
