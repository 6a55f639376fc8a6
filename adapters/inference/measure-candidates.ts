import type { ColumnBatch } from "../../contracts/data.ts";
import type { Candidate } from "../../contracts/optimization.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { measureAgreement } from "../../core/quantization/agreement.ts";
import type { LoadedModel } from "./load-model.ts";
import { measureLatency } from "./measure-latency.ts";
import { predict } from "./predict.ts";
import { joinArrays } from "./slice-codes.ts";
import { takeRows } from "./take-rows.ts";

export interface NamedModel {
  readonly name: string;
  readonly model: LoadedModel;
}

const BATCH_SIZES = [1, 32];
const LATENCY_LIMITS = { totalMs: 3000, maximumRepeats: 2000 };

/**
 * Size, latency at batch 1 and 32, and agreement with the first model on the same rows, for every model. Takes about three seconds
 * beside scoring the rows. All models share the first one's signature.
 *
 * @param rows at least one batch with at least one row
 */
export async function measureCandidates(
  models: readonly [NamedModel, ...NamedModel[]],
  { rows, where }: { readonly rows: readonly ColumnBatch[]; readonly where: string },
): Promise<Omit<Candidate, "refused">[]> {
  const { signature } = models[0].model;
  const encoded = rows.map((batch) => encodeFeatures({ signature, batch, where }));
  const scores: Float64Array[] = [];
  for (const { model } of models) {
    const parts = [];
    for (const tensors of encoded) parts.push(await predict(model, tensors));
    scores.push(joinArrays(parts, Float64Array));
  }
  const inputs = BATCH_SIZES.map((batch) => ({
    batch,
    tensors: encodeFeatures({ signature, batch: repeatRows(rows[0]!, batch), where }),
  }));
  const runs = models.map(({ model: { session } }) => ({ session, inputs }));
  const latency = await measureLatency(runs, LATENCY_LIMITS);
  return models.map(({ name, model }, index) => ({
    name,
    digest: model.digest,
    sizeBytes: model.bytes.length,
    latency: latency[index]!,
    agreement: measureAgreement({
      where: name,
      reference: scores[0]!,
      candidate: scores[index]!,
      threshold: signature.prediction.threshold,
    }),
  }));
}

/** Exactly `rowCount` rows, the batch's own from the start again when it has fewer. */
const repeatRows = (batch: ColumnBatch, rowCount: number): ColumnBatch =>
  takeRows(
    batch,
    Array.from({ length: rowCount }, (_, row) => row % batch.rowCount),
  );
