import { desc, eq, inArray } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import { breakGlass, breakGlassUse } from "../schema/approval.ts";
import { modelVersion } from "../schema/model.ts";
import { raiseAlarm } from "./alarm.ts";

export interface BreakGlassRequest {
  readonly versionId: string;
  /** `NAME@N`. */
  readonly version: string;
  readonly environment: string;
  readonly by: string;
  readonly reason: string;
  /** Digest of the signed statement; null where people are believed by their word. */
  readonly statement: string | null;
}

/** Breaks the glass: the next rollout of this version there, within a day, needs no approval. Raises an alarm. */
export async function recordBreakGlass(
  tx: Transaction,
  { versionId, version, environment, by, reason, statement }: BreakGlassRequest,
): Promise<{ readonly id: string; readonly alarm: string }> {
  const alarm = await raiseAlarm(tx, {
    kind: "break-glass",
    subject: `model/${version}`,
    text: `${version} may go to ${environment} once without the approvals it lacks`,
  });
  const id = createId();
  await recordRows(tx, breakGlass, [
    { id, modelVersion: versionId, environment, brokenBy: by, reason, statement, alarm },
  ]);
  return { id, alarm };
}

/** Uses a broken glass up for one rollout. The database refuses a second use. */
export async function useBreakGlass(
  tx: Transaction,
  use: { readonly id: string; readonly rollout: string },
): Promise<void> {
  await recordRows(tx, breakGlassUse, [{ breakGlass: use.id, rollout: use.rollout }]);
}

/** A glass that was broken, and the rollout that went through. */
export interface BrokenGlass {
  readonly id: string;
  readonly versionId: string;
  /** `NAME@N`. */
  readonly version: string;
  readonly environment: string;
  readonly by: string;
  readonly reason: string;
  readonly at: Date;
  readonly alarm: string;
  readonly statement: string | null;
  readonly rollout: string | null;
}

/** Newest first: of one version, of a model, or all. */
export async function listBrokenGlass(
  db: Queryable,
  { versionIds, limit = 100 }: { readonly versionIds?: readonly string[]; readonly limit?: number } = {},
): Promise<BrokenGlass[]> {
  const rows = await db
    .select({ broken: breakGlass, version: modelVersion, rollout: breakGlassUse.rollout })
    .from(breakGlass)
    .innerJoin(modelVersion, eq(modelVersion.id, breakGlass.modelVersion))
    .leftJoin(breakGlassUse, eq(breakGlassUse.breakGlass, breakGlass.id))
    .where(versionIds && inArray(breakGlass.modelVersion, [...versionIds]))
    .orderBy(desc(breakGlass.brokenAt), desc(breakGlass.id))
    .limit(limit);
  return rows.map(({ broken, version, rollout }) => ({
    id: broken.id,
    versionId: version.id,
    version: `${version.model}@${version.number}`,
    environment: broken.environment,
    by: broken.brokenBy,
    reason: broken.reason,
    at: broken.brokenAt,
    alarm: broken.alarm,
    statement: broken.statement,
    rollout,
  }));
}
