import type { VersionReference } from "../contracts/stages.ts";
import type { Transaction } from "../db/client.ts";
import type { ExecutionFrame, LineagePart } from "../db/queries/lineage/record-execution.ts";
import { registerVersion, type NewVersion, type VersionRequest } from "../db/queries/model.ts";

/** How people and lineage name a version. */
export const versionName = ({ model, number }: { readonly model: string; readonly number: number }) =>
  `${model}@${number}`;

export const referenceOf = (version: NewVersion): VersionReference => ({
  versionId: version.id,
  model: version.model,
  number: version.number,
  digest: version.artifact,
});

/** The version in lineage, in the part it played. */
export const versionAs = (
  role: LineagePart["role"],
  version: { readonly model: string; readonly number: number },
): LineagePart => ({ ref: `model/${versionName(version)}`, role });

export interface RecordedVersion extends Omit<VersionRequest, "parentVersion"> {
  /** Digest of the snapshot it was trained on, null unless it was. */
  readonly trainingData: string | null;
  /** Digest of the statement by which somebody asked for it. */
  readonly statement?: string | null;
  /** The version it was made from, or null. */
  readonly parent: VersionReference | null;
}

/** Registers a version with its lineage and audit event: the one way a version comes into the registry. */
export async function recordVersion(
  tx: Transaction,
  frame: ExecutionFrame,
  { trainingData, statement = null, parent, ...request }: RecordedVersion,
): Promise<NewVersion> {
  const used = parent ? [versionAs("parent", parent)] : [];
  const values = { ...request, parentVersion: parent?.versionId ?? null };
  return await registerVersion(tx, values, { frame, used, trainingData, statement });
}
