import type { ColumnBatch, Tensor } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
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
  /** False for a model whose rows depend on each other by design. */
  readonly batchInvariant: boolean;
}

export interface Measured {
  readonly candidates: readonly Omit<Candidate, "refused">[];
  /** Models whose outputs are no predictions on these rows, such as NaN, with the reason; never the first. */
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
}

const BATCH_SIZES = [1, 32];
const LATENCY_LIMITS = { totalMs: 3000, maximumRepeats: 2000 };
/** Rows that are also run alone. */
const ALONE_ROWS = 64;

interface Scored extends NamedModel {
  readonly scores: Float64Array;
}

/**
 * Size, latency at batch 1 and 32, agreement with the first model on the same rows, and what a row's result owes to its batch, for
 * every model. Takes about three seconds beside scoring the rows. All models share the first one's signature.
 *
 * @param rows at least one batch with at least one row
 * @throws INFERENCE_FAILED, MODEL_SIGNATURE when the first model fails on the rows
 */
export async function measureCandidates(
  models: readonly [NamedModel, ...NamedModel[]],
  { rows, where }: { readonly rows: readonly ColumnBatch[]; readonly where: string },
): Promise<Measured> {
  const { signature } = models[0].model;
  const encode = (batch: ColumnBatch) => encodeFeatures({ signature, batch, where });
  const { scored, failed } = await scoreAll(models, rows.map(encode));
  const inputs = BATCH_SIZES.map((batch) => ({ batch, tensors: encode(repeatRows(rows[0]!, batch)) }));
  const runs = scored.map(({ model: { session } }) => ({ session, inputs }));
  const latency = await measureLatency(runs, LATENCY_LIMITS);
  const alone = Array.from({ length: Math.min(ALONE_ROWS, rows[0]!.rowCount) }, (_, row) =>
    encode(takeRows(rows[0]!, [row])),
  );
  const candidates = [];
  for (const [index, { name, model, scores, batchInvariant }] of scored.entries()) {
    candidates.push({
      name,
      digest: model.digest,
      sizeBytes: model.bytes.length,
      latency: latency[index]!,
      agreement: measureAgreement({
        where: name,
        reference: scored[0]!.scores,
        candidate: scores,
        threshold: signature.prediction.threshold,
      }),
      batchInvariance: {
        byDesign: batchInvariant,
        rowCount: alone.length,
        maximumDifference: await differenceAlone(model, scores, alone),
      },
    });
  }
  return { candidates, failed };
}

/** The predictions of every model on every row; one that fails where the first does not drops out. */
async function scoreAll(models: readonly [NamedModel, ...NamedModel[]], encoded: readonly (readonly Tensor[])[]) {
  const scored: Scored[] = [];
  const failed: { name: string; reason: string }[] = [];
  const allowed = encoded.map(() => Number.POSITIVE_INFINITY);
  for (const named of models) {
    try {
      const parts = [];
      for (const [at, tensors] of encoded.entries()) {
        const session = watchFinite(named, (count) => {
          const isOriginal = named === models[0];
          if (isOriginal) allowed[at] = count;
          return isOriginal ? count : allowed[at]!;
        });
        parts.push(await predict({ ...named.model, session }, tensors));
      }
      scored.push({ ...named, scores: joinArrays(parts, Float64Array) });
    } catch (thrown) {
      const isAnswer = isFailure(thrown) && (thrown.code === "INFERENCE_FAILED" || thrown.code === "MODEL_SIGNATURE");
      if (!isAnswer || named === models[0]) throw thrown;
      failed.push({ name: named.name, reason: thrown.message });
    }
  }
  return { scored, failed };
}

/** The model's session, which fails when any of its outputs holds more NaN and infinities than `allow` lets it. */
function watchFinite({ name, model: { session } }: NamedModel, allow: (count: number) => number) {
  const run = async (tensors: readonly Tensor[]) => {
    const outputs = await session.run(tensors);
    let count = 0;
    for (const { data } of outputs) {
      if (!(data instanceof Float32Array || data instanceof Float64Array)) continue;
      for (const value of data) if (!Number.isFinite(value)) count++;
    }
    if (count <= allow(count)) return outputs;
    throw new Failure("INFERENCE_FAILED", { model: name, reason: `${count} of its outputs are not finite numbers` });
  };
  return { ...session, run };
}

async function differenceAlone(
  model: LoadedModel,
  together: Float64Array,
  alone: readonly (readonly Tensor[])[],
): Promise<number> {
  let largest = 0;
  for (const [row, tensors] of alone.entries()) {
    const [score = Number.NaN] = await predict(model, tensors);
    largest = Math.max(largest, Math.abs(score - together[row]!));
  }
  return largest;
}

/** Exactly `rowCount` rows, the batch's own from the start again when it has fewer. */
const repeatRows = (batch: ColumnBatch, rowCount: number): ColumnBatch =>
  takeRows(
    batch,
    Array.from({ length: rowCount }, (_, row) => row % batch.rowCount),
  );
