import type { ColumnBatch, DataSource } from "../../contracts/data.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { readBatches } from "../tables/read-batches.ts";
import { predict } from "./predict.ts";
import type { Session } from "./session.ts";

/** Rows of one run: tensors stay within the processor's caches and memory stays flat. */
const DEFAULT_BATCH_ROWS = 8192;

export interface ScoreOptions {
  /** Every model scores the same rows, in one pass over the file. */
  readonly models: readonly { readonly session: Session; readonly signature: ModelSignature }[];
  readonly source: DataSource;
  /** Columns the caller wants beside the models' own: the label, slices. */
  readonly columns?: readonly string[];
  readonly batchRows?: number;
  readonly onProgress?: (rowCount: number) => void;
}

export interface ScoredBatch {
  readonly batch: ColumnBatch;
  /** Probabilities of the positive class by model, in the order of `models`; in [0, 1]. */
  readonly scores: readonly (Float32Array | Float64Array)[];
}

/**
 * Streams a table through models: columns become tensors by each model's own signature, tensors become probabilities. Only a batch is
 * in memory at a time. Blocks the event loop while a model runs: for a job's process only.
 *
 * @throws what readBatches, encodeFeatures and predict throw
 */
export async function* scoreTable(options: ScoreOptions): AsyncGenerator<ScoredBatch> {
  const { models, source, batchRows = DEFAULT_BATCH_ROWS } = options;
  const needed = models.flatMap(({ signature }) => featureColumns(signature));
  const columns = [...new Set([...needed, ...(options.columns ?? [])])];
  let rowCount = 0;
  for await (const batch of readBatches(source, { columns, batchRows })) {
    const scores = [];
    for (const model of models) {
      const tensors = encodeFeatures({ signature: model.signature, batch, where: source.path });
      scores.push(await predict(model, tensors));
    }
    rowCount += batch.rowCount;
    options.onProgress?.(rowCount);
    yield { batch, scores };
  }
}
