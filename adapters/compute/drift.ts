import { type BaselineProfile, type DriftReport, type DriftSettings, SCORE_COLUMN } from "../../contracts/drift.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { createCounter } from "../../core/drift/count-columns.ts";
import { judgeDrift } from "../../core/drift/judge-drift.ts";
import { loadModel } from "../inference/load-model.ts";
import type { JobContext } from "./job.ts";
import { type PinnedData, verifyData, watchedBatches } from "./watched-batches.ts";

export interface DriftInput {
  readonly profile: BaselineProfile;
  readonly data: PinnedData;
  readonly signature: ModelSignature | null;
  /** The model whose score the profile holds; null leaves the score out of the check. */
  readonly model: { readonly path: string; readonly digest: Digest } | null;
  readonly settings: DriftSettings;
}

/**
 * One drift check: counts the window into the profile's bins in one pass and judges. The reference is not read again.
 * @throws COLUMN_MISSING, COLUMN_TYPE, DIGEST_MISMATCH and what reading and loading the model throw
 */
export async function drift(input: DriftInput, { progress }: JobContext): Promise<DriftReport> {
  const { profile, data, settings } = input;
  await verifyData(data);
  const model = await openModel(input);
  try {
    const frozen = profile.columns.filter(({ column }) =>
      column === SCORE_COLUMN ? model !== null : (settings.columns?.includes(column) ?? true),
    );
    const names = frozen.map(({ column }) => column).filter((column) => column !== SCORE_COLUMN);
    const counter = createCounter(frozen, data.path);
    for await (const batch of watchedBatches(data, names, model)) {
      counter.add(batch);
      progress(0.5, `${counter.rowCount()} rows counted`);
    }
    return judgeDrift({
      profile,
      window: { data: data.digest, rowCount: counter.rowCount(), counts: counter.counts() },
      settings,
    });
  } finally {
    await model?.session.close();
  }
}

async function openModel({ profile, data, signature, model, settings }: DriftInput) {
  const held = profile.columns.some(({ column }) => column === SCORE_COLUMN);
  if (!model || !held || (settings.columns && !settings.columns.includes(SCORE_COLUMN))) return null;
  if (!signature)
    throw new Failure("INPUT_INVALID", {
      where: data.path,
      problems: "watching a model's score needs its signature; pass both or neither",
    });
  return loadModel({ ...model, signature });
}
