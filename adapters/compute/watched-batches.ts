import type { ColumnBatch, DataSource, Tensor } from "../../contracts/data.ts";
import { SCORE_COLUMN } from "../../contracts/drift.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { digestFile } from "../artifacts/file-store.ts";
import type { LoadedModel } from "../inference/load-model.ts";
import { predict } from "../inference/predict.ts";
import { takeRows } from "../inference/take-rows.ts";
import { readBatches } from "../tables/read-batches.ts";

/** A dataset by what it must be, not only where it lies. */
export interface PinnedData extends DataSource {
  readonly digest: Digest;
}

/** Rows of one run of the model: tensors stay within the processor's caches. */
const SCORED_ROWS = 8192;

/**
 * Profiles and drift reports name their data by digest, so the bytes are held to it before they are counted.
 * @throws FILE_MISSING, DIGEST_MISMATCH
 */
export async function verifyData({ path, digest }: PinnedData): Promise<void> {
  const { digest: found } = await digestFile(path).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what: "the data to watch" }, { cause });
  });
  if (found !== digest) throw new Failure("DIGEST_MISMATCH", { where: path, found, expected: digest });
}

/**
 * The rows with the watched columns and, given a model, its score in single precision under SCORE_COLUMN. A row the signature
 * refuses (unknown category, null) has no score: NaN, so that a fault in the data shows as a rate of nulls beside the other
 * columns instead of hiding them behind a failure.
 * @throws what readBatches and predict throw
 */
export async function* watchedBatches(
  source: DataSource,
  columns: readonly string[],
  model: Pick<LoadedModel, "session" | "signature"> | null,
): AsyncGenerator<ColumnBatch> {
  if (!model) {
    if (columns.length > 0) yield* readBatches(source, { columns });
    return;
  }
  const needed = [...new Set([...columns, ...featureColumns(model.signature)])];
  for await (const batch of readBatches(source, { columns: needed, batchRows: SCORED_ROWS })) {
    const values = new Float64Array(batch.rowCount).fill(Number.NaN);
    const { rows, tensors } = encodeAccepted(model.signature, batch, source.path);
    const scores = rows.length > 0 ? await predict(model, tensors) : [];
    for (const [index, row] of rows.entries()) values[row] = Math.fround(scores[index] ?? Number.NaN);
    yield {
      rowCount: batch.rowCount,
      columns: new Map([...batch.columns, [SCORE_COLUMN, { kind: "number", values }]]),
    };
  }
}

/** The rows that can be encoded, and their tensors; found by halving the batch until the refused ones stand alone. */
function encodeAccepted(
  signature: ModelSignature,
  batch: ColumnBatch,
  where: string,
): { readonly rows: readonly number[]; readonly tensors: readonly Tensor[] } {
  const tensors = tryEncode(signature, batch, where);
  if (tensors) return { rows: Array.from({ length: batch.rowCount }, (_, row) => row), tensors };
  const accept = (from: number, to: number): number[] => {
    const rows = Array.from({ length: to - from }, (_, index) => from + index);
    if (tryEncode(signature, takeRows(batch, rows), where)) return rows;
    if (rows.length <= 1) return [];
    const middle = (from + to) >>> 1;
    return [...accept(from, middle), ...accept(middle, to)];
  };
  const rows = accept(0, batch.rowCount);
  return { rows, tensors: encodeFeatures({ signature, batch: takeRows(batch, rows), where }) };
}

function tryEncode(signature: ModelSignature, batch: ColumnBatch, where: string): Tensor[] | null {
  try {
    return encodeFeatures({ signature, batch, where });
  } catch (thrown) {
    if (isFailure(thrown) && (thrown.code === "UNKNOWN_CATEGORY" || thrown.code === "INPUT_INVALID")) return null;
    throw thrown;
  }
}
