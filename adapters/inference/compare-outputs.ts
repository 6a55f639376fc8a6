import type { ColumnBatch, Tensor } from "../../contracts/data.ts";
import type { GateResult } from "../../contracts/evaluation.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Agreement, Constraints } from "../../contracts/optimization.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { labelValues } from "../../core/data/label-values.ts";
import { measureAgreement } from "../../core/quantization/agreement.ts";
import { judgeTolerances } from "../../core/quantization/tolerances.ts";
import type { LoadedModel } from "./load-model.ts";
import { predict } from "./predict.ts";
import { createSliceCollector, joinArrays } from "./slice-codes.ts";
import { takeRows } from "./take-rows.ts";

export interface Comparison {
  readonly agreement: Agreement;
  /** Of the full comparison; none of the proxy's. */
  readonly tolerances: readonly GateResult[];
  /** The candidate's predictions, row by row. */
  readonly scores: Float64Array;
}

/** Compares candidates with one original on the same rows. */
export interface Comparer {
  /** The original's predictions on all rows. */
  readonly reference: Float64Array;
  /**
   * Runs a candidate on a few hundred rows, or on all of them.
   *
   * @throws INFERENCE_FAILED, MODEL_SIGNATURE when its outputs are no predictions, such as NaN where the original has none
   */
  readonly compare: (name: string, model: LoadedModel, on: "proxy" | "full") => Promise<Comparison>;
}

export interface ComparerOptions {
  readonly original: LoadedModel;
  /** At least one batch with at least one row; with the label and slice columns when there are tolerances. */
  readonly rows: readonly ColumnBatch[];
  readonly proxyRows: number;
  readonly constraints: Constraints;
  /** The data, for failures. */
  readonly where: string;
}

/** One part of the rows, and how many outputs of the original are not finite on each of its batches. */
interface Part {
  readonly encoded: readonly (readonly Tensor[])[];
  readonly scores: Float64Array;
  readonly infinite: readonly number[];
}

/**
 * Runs the original once on all rows and on the proxy's, which are spread evenly over them.
 *
 * @throws INFERENCE_FAILED, MODEL_SIGNATURE when the original fails on the rows; LABEL_VALUES and COLUMN_TYPE for tolerances
 */
export async function createComparer(options: ComparerOptions): Promise<Comparer> {
  const { original, rows, where, constraints } = options;
  const { signature } = original;
  const { threshold } = signature.prediction;
  const score = async (batches: readonly ColumnBatch[]): Promise<Part> => {
    const encoded = batches.map((batch) => encodeFeatures({ signature, batch, where }));
    const infinite: number[] = [];
    const scores = await scoreAll("fp32", original, encoded, (at, count) => ((infinite[at] = count), count));
    return { encoded, scores, infinite };
  };
  const parts = { full: await score(rows), proxy: await score(spread(rows, options.proxyRows)) };
  const truth = constraints.tolerances.length === 0 ? null : readTruth(options);
  return {
    reference: parts.full.scores,
    compare: async (name, model, on) => {
      const { encoded, scores: reference, infinite } = parts[on];
      const scores = await scoreAll(name, model, encoded, (at) => infinite[at]!);
      const agreement = measureAgreement({ where: name, reference, candidate: scores, threshold });
      const tolerances =
        on === "full" && truth !== null
          ? judgeTolerances({ reference, candidate: scores, threshold, ...truth }, constraints)
          : [];
      return { agreement, tolerances, scores };
    },
  };
}

function readTruth({ original, rows, where, constraints }: ComparerOptions) {
  const collectors = constraints.slices.map((column) => createSliceCollector(column, where));
  const labels = rows.map((batch) => {
    for (const collector of collectors) collector.add(batch);
    return labelValues(batch, original.signature.label, where);
  });
  return { labels: joinArrays(labels, Uint8Array), slices: collectors.map((collector) => collector.finish()) };
}

/** Every n-th row, so that a file sorted by time is covered from end to end. */
function spread(rows: readonly ColumnBatch[], rowCount: number): ColumnBatch[] {
  const total = rows.reduce((sum, batch) => sum + batch.rowCount, 0);
  const step = Math.max(1, Math.ceil(total / rowCount));
  let seen = 0;
  return rows.flatMap((batch) => {
    const taken = Array.from({ length: batch.rowCount }, (_, row) => row).filter((row) => (seen + row) % step === 0);
    seen += batch.rowCount;
    return taken.length === 0 ? [] : [takeRows(batch, taken)];
  });
}

/** Predictions of a model on every batch; one whose outputs hold more NaN and infinities than `allow` lets a batch have is refused. */
async function scoreAll(
  name: string,
  model: LoadedModel,
  encoded: readonly (readonly Tensor[])[],
  allow: (at: number, count: number) => number,
): Promise<Float64Array> {
  const parts = [];
  for (const [at, tensors] of encoded.entries()) {
    const run = async (inputs: readonly Tensor[]) => {
      const outputs = await model.session.run(inputs);
      const count = outputs.reduce((sum, { data }) => sum + countInfinite(data), 0);
      if (count <= allow(at, count)) return outputs;
      throw new Failure("INFERENCE_FAILED", { model: name, reason: `${count} of its outputs are not finite numbers` });
    };
    parts.push(await predict({ ...model, session: { ...model.session, run } }, tensors));
  }
  return joinArrays(parts, Float64Array);
}

function countInfinite(data: Tensor["data"]): number {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return 0;
  let count = 0;
  for (const value of data) if (!Number.isFinite(value)) count++;
  return count;
}
