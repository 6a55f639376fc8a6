import type { DataSource } from "../../contracts/data.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { labelValues } from "../../core/data/label-values.ts";
import { loadModel } from "../inference/load-model.ts";
import { scoreTable } from "../inference/score-table.ts";
import { joinArrays } from "../inference/slice-codes.ts";
import { describeTable } from "../tables/describe-table.ts";
import type { JobContext } from "./job.ts";

export interface ScoreInput {
  readonly model: { readonly path: string; readonly digest: Digest };
  readonly signature: ModelSignature;
  readonly data: DataSource;
}

export interface ScoreOutput {
  /** Probabilities of the positive class in the file's order. */
  readonly scores: Float32Array;
  /** 0 or 1 by row; null when the data has no label column. */
  readonly labels: Uint8Array | null;
}

/** Scores a file, for batch predictions and charts of scores. */
export async function score({ model, signature, data }: ScoreInput, { progress }: JobContext): Promise<ScoreOutput> {
  const loaded = await loadModel({ ...model, signature });
  const labelled = (await describeTable(data)).some((column) => column.name === signature.label);
  const scores: ArrayLike<number>[] = [];
  const labels: Uint8Array[] = [];
  const batches = scoreTable({
    models: [loaded],
    source: data,
    columns: labelled ? [signature.label] : [],
    onProgress: (rowCount) => progress(0.1, `${rowCount} rows scored`),
  });
  for await (const { batch, scores: byModel } of batches) {
    scores.push(...byModel);
    if (labelled) labels.push(labelValues(batch, signature.label, data.path));
  }
  return { scores: joinArrays(scores, Float32Array), labels: labelled ? joinArrays(labels, Uint8Array) : null };
}
