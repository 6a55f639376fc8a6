import { type BaselineProfile, SCORE_COLUMN } from "../../contracts/drift.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { createCounter } from "../../core/drift/count-columns.ts";
import { createOutline } from "../../core/drift/outline-profile.ts";
import { createScoreOutline } from "../../core/drift/score-outline.ts";
import { watchedColumns } from "../../core/drift/watched-columns.ts";
import { createRandom } from "../../core/stats/random.ts";
import { loadModel } from "../inference/load-model.ts";
import { describeTable } from "../tables/describe-table.ts";
import type { JobContext } from "./job.ts";
import { type PinnedData, verifyData, watchedBatches } from "./watched-batches.ts";

export interface ProfileInput {
  readonly data: PinnedData;
  readonly signature: ModelSignature | null;
  /** Columns to watch, SCORE_COLUMN among them or not; null for every feature (every column without a signature) and the score. */
  readonly columns: readonly string[] | null;
  /** Whose score to watch; needs the signature. */
  readonly model: { readonly path: string; readonly digest: Digest } | null;
}

/** Seed of the sample that bins are chosen from: part of what makes the same data give the same profile. */
const SAMPLE_SEED = 1;

/**
 * Freezes the baseline of a dataset: one pass chooses the bins, one counts all rows and scores them on the way.
 * @throws DATA_EMPTY, COLUMN_MISSING, COLUMN_TYPE, DIGEST_MISMATCH and what reading and loading the model throw
 */
export async function profile(input: ProfileInput, { progress }: JobContext): Promise<BaselineProfile> {
  const { data, signature, columns } = input;
  const where = data.path;
  await verifyData(data);
  const named = columns?.filter((column) => column !== SCORE_COLUMN) ?? null;
  const watched = watchedColumns({ signature, described: await describeTable(data), named, where });
  const outline = createOutline(watched, { where, random: createRandom(SAMPLE_SEED) });
  const names = watched.map(({ column }) => column);
  for await (const batch of watchedBatches(data, names, null)) outline.observe(batch);
  progress(0.2, "bins chosen");

  const model = await openModel(input);
  if (names.length === 0 && !model) {
    throw new Failure("INPUT_INVALID", {
      where,
      problems: "there is no column to watch; name columns or give a model",
    });
  }
  try {
    const counter = createCounter(outline.freeze(), where);
    const scores = createScoreOutline();
    for await (const batch of watchedBatches(data, names, model)) {
      counter.add(batch);
      const score = batch.columns.get(SCORE_COLUMN);
      if (model && score?.kind === "number") scores.add(score.values);
      progress(0.6, `${counter.rowCount()} rows counted`);
    }
    if (counter.rowCount() === 0) throw new Failure("DATA_EMPTY", { where, window: "" });
    const counted = [...counter.counts(), ...(model ? [scores.freeze()] : [])];
    return { version: 1, data: data.digest, rowCount: counter.rowCount(), columns: counted };
  } finally {
    await model?.session.close();
  }
}

async function openModel({ data, signature, columns, model }: ProfileInput) {
  if (!model || (columns && !columns.includes(SCORE_COLUMN))) return null;
  if (!signature)
    throw new Failure("INPUT_INVALID", {
      where: data.path,
      problems: "watching a model's score needs its signature; pass both or neither",
    });
  return loadModel({ ...model, signature });
}
