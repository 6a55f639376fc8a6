import type { DataSource } from "../../contracts/data.ts";
import type { EvaluationReport, EvaluationSettings } from "../../contracts/evaluation.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { evaluateScores } from "../../core/evaluation/evaluate-scores.ts";
import { digestFile } from "../artifacts/file-store.ts";
import { loadModel } from "../inference/load-model.ts";
import { scoreLabelled } from "../inference/score-labelled.ts";
import type { JobContext } from "./job.ts";

export interface EvaluateInput {
  readonly model: { readonly path: string; readonly digest: Digest };
  /** The challenger's; its label column is the truth for both models. */
  readonly signature: ModelSignature;
  readonly champion: { readonly path: string; readonly digest: Digest; readonly signature: ModelSignature } | null;
  readonly data: DataSource & { readonly digest: Digest };
  readonly settings: EvaluationSettings;
}

/**
 * Evaluates a model, beside the champion on the same rows in the same pass when there is one. Model and data are what their
 * digests say, or nothing is measured.
 */
export async function evaluate(input: EvaluateInput, { progress }: JobContext): Promise<EvaluationReport> {
  const { signature, champion, data, settings } = input;
  const model = await loadModel({ ...input.model, signature });
  const rival = champion && (await loadModel(champion));
  await verifyData(data);
  progress(0.1, "models and data verified");
  const { digest: dataDigest, ...source } = data;
  const { scores, labels, slices } = await scoreLabelled(rival ? [model, rival] : [model], {
    source,
    label: signature.label,
    sliceColumns: settings.slices,
    onProgress: (rowCount) => progress(0.1, `${rowCount} rows scored`),
  });
  const [ofModel, ofChampion] = scores;
  if (ofModel === undefined || labels.length === 0) throw new Failure("DATA_EMPTY", { where: data.path, window: "" });
  progress(0.9, `${labels.length} rows scored, judging`);
  const evaluation = evaluateScores({
    scores: ofModel,
    championScores: ofChampion ?? null,
    labels,
    slices,
    threshold: signature.prediction.threshold,
    championThreshold: (champion?.signature ?? signature).prediction.threshold,
    settings,
  });
  return { model: model.digest, champion: rival?.digest ?? null, data: dataDigest, ...evaluation };
}

async function verifyData({ path, digest }: EvaluateInput["data"]): Promise<void> {
  const found = await digestFile(path).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what: "the evaluation data" }, { cause });
  });
  if (found.digest !== digest)
    throw new Failure("DIGEST_MISMATCH", { where: path, found: found.digest, expected: digest });
}
