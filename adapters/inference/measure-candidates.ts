import type { ColumnBatch, Tensor } from "../../contracts/data.ts";
import type { BatchInvariance, Latency } from "../../contracts/optimization.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import type { LoadedModel } from "./load-model.ts";
import { measureLatency, type LatencyRun } from "./measure-latency.ts";
import { predict } from "./predict.ts";
import { openSession } from "./session.ts";
import { takeRows } from "./take-rows.ts";

export interface NamedModel {
  readonly name: string;
  readonly model: LoadedModel;
  /** False for a model whose rows depend on each other by design. */
  readonly batchInvariant: boolean;
}

/** For all models and ways of serving together, warm-up included, a way with few of them less. */
const LATENCY_LIMITS = { msPerWay: 1500, maximumRepeats: 2000 };
/** Rows that are also run alone. */
const ALONE_ROWS = 64;

interface Ways {
  readonly batches: readonly number[];
  readonly threads: readonly number[];
  /** At least one row. */
  readonly rows: ColumnBatch;
  readonly where: string;
}

/**
 * Latency of every model in every way of serving, the first batch size and number of threads first; about a second and a half for each
 * way. All models share the first one's signature.
 */
export async function measureWays(
  models: readonly [NamedModel, ...NamedModel[]],
  { batches, threads, rows, where }: Ways,
): Promise<Latency[][]> {
  const { signature } = models[0].model;
  const inputs = [...new Set(batches)].map((batch) => ({
    batch,
    tensors: encodeFeatures({ signature, batch: repeatRows(rows, batch), where }),
  }));
  const limits = { ...LATENCY_LIMITS, totalMs: LATENCY_LIMITS.msPerWay * inputs.length };
  const latencies = models.map((): Latency[] => []);
  for (const count of new Set(threads)) {
    const runs: LatencyRun[] = [];
    try {
      for (const { model } of models) {
        const session = await openSession({ model: model.bytes, digest: model.digest, intraOpThreads: count });
        runs.push({ session, threads: count, inputs });
      }
      for (const [at, latency] of (await measureLatency(runs, limits)).entries()) latencies[at]!.push(...latency);
    } finally {
      for (const { session } of runs) await session.close();
    }
  }
  return latencies;
}

/** What a row's prediction owes to the rows it is run with, on the first rows. */
export async function measureInvariance(
  { model, batchInvariant }: NamedModel,
  { rows, together, where }: { readonly rows: ColumnBatch; readonly together: Float64Array; readonly where: string },
): Promise<BatchInvariance> {
  const { signature } = model;
  const rowCount = Math.min(ALONE_ROWS, rows.rowCount);
  let maximumDifference = 0;
  for (let row = 0; row < rowCount; row++) {
    const tensors: readonly Tensor[] = encodeFeatures({ signature, batch: takeRows(rows, [row]), where });
    const [score = Number.NaN] = await predict(model, tensors);
    maximumDifference = Math.max(maximumDifference, Math.abs(score - together[row]!));
  }
  return { byDesign: batchInvariant, rowCount, maximumDifference };
}

/** Exactly `rowCount` rows, the batch's own from the start again when it has fewer. */
const repeatRows = (batch: ColumnBatch, rowCount: number): ColumnBatch =>
  takeRows(
    batch,
    Array.from({ length: rowCount }, (_, row) => row % batch.rowCount),
  );
