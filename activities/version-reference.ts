import type { VersionReference } from "../contracts/stages.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { recordEdges } from "../db/queries/lineage.ts";
import { registerVersion, type ModelVersion, type VersionRequest } from "../db/queries/model.ts";

/** How people and lineage name a version. */
export const versionName = ({ model, number }: { readonly model: string; readonly number: number }) =>
  `${model}@${number}`;

export const referenceOf = (version: ModelVersion): VersionReference => ({
  versionId: version.id,
  model: version.model,
  number: version.number,
  digest: version.artifact,
});

/**
 * Registers a version with its lineage and audit event: the one way a version comes into the registry. `trainingData` is the digest
 * of the snapshot it was trained on, null unless it was.
 */
export async function recordVersion(
  tx: Transaction,
  { trainingData, ...request }: VersionRequest & { readonly trainingData: string | null },
): Promise<ModelVersion> {
  const version = await registerVersion(tx, request);
  const subject = `model/${versionName(version)}`;
  await recordEdges(tx, [
    { from: `artifact/${version.artifact}`, to: subject, role: "bytes", lifecycle: version.lifecycle },
  ]);
  await recordAudit(tx, {
    actor: version.createdBy,
    subject,
    body: {
      kind: "version-registered",
      versionId: version.id,
      digest: version.artifact,
      origin: version.origin,
      parentVersionId: version.parentVersion,
      trainingData,
      lifecycle: version.lifecycle,
    },
  });
  return version;
}
