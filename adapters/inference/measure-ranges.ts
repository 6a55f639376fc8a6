import type { ColumnBatch, Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { CalibrationSettings } from "../../contracts/optimization.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { detachData } from "../../core/onnx/external-data.ts";
import { createHistogram, type Histogram } from "../../core/quantization/histogram.ts";
import { observeValues } from "../../core/quantization/observe.ts";
import type { ActivationRange } from "../../core/quantization/pass.ts";
import type { LoadedModel } from "./load-model.ts";
import { openSession } from "./session.ts";
import { takeRows } from "./take-rows.ts";

/** Rows of one run: for histograms all observed activations of a run are in memory at once, of one run only. */
const BATCH_ROWS = 64;

export interface RangeRequest {
  readonly model: Pick<LoadedModel, "bytes" | "signature">;
  /** Names of FP32 values inside the model. */
  readonly values: readonly string[];
  readonly rows: readonly ColumnBatch[];
  /** The data, for failures. */
  readonly where: string;
  readonly settings: Pick<CalibrationSettings, "method" | "percentile">;
}

/**
 * The range each value inside a model takes on the rows, by running the model with the values as further outputs. Memory depends on
 * the number of values and the size of a batch, not on the number of rows.
 *
 * A histogram needs the range to lay its bins over, so percentiles and entropy run the rows a second time.
 * @throws INFERENCE_FAILED when a value is NaN or infinite on a row; what encoding and running throw
 */
export async function measureRanges(request: RangeRequest): Promise<Map<string, ActivationRange>> {
  const { values, settings } = request;
  const lows = new Float64Array(values.length).fill(Number.POSITIVE_INFINITY);
  const highs = new Float64Array(values.length).fill(Number.NEGATIVE_INFINITY);
  await observe(request, "range", (at, [low, high]) => {
    const found = [Number(low!.data[0]), Number(high!.data[0])] as const;
    if (!found.every(Number.isFinite)) {
      const reason = `its value "${values[at]!}" runs from ${found.join(" to ")} on the calibration rows`;
      throw new Failure("INFERENCE_FAILED", { model: "fp32", reason });
    }
    lows[at] = Math.min(lows[at]!, found[0]);
    highs[at] = Math.max(highs[at]!, found[1]);
  });
  const ranges = values.map((_, at): ActivationRange => ({ low: lows[at]!, high: highs[at]! }));
  if (settings.method === "min-max") return new Map(values.map((value, at) => [value, ranges[at]!]));

  const histograms = ranges.map(createHistogram);
  await observe(request, "elements", (at, [elements]) => histograms[at]!.add(elements!.data as Float32Array));
  const rangeOf = (histogram: Histogram) =>
    settings.method === "entropy" ? histogram.leastEntropy() : histogram.range(settings.percentile);
  return new Map(values.map((value, at) => [value, rangeOf(histograms[at]!)]));
}

/** Runs all rows and hands over what was observed of each value, batch by batch. */
async function observe(
  { model, values, rows, where }: RangeRequest,
  what: "range" | "elements",
  see: (at: number, observed: readonly Tensor[]) => void,
): Promise<void> {
  const observed = observeValues(model.bytes, values, what, where);
  // As written, like ONNX Runtime's own calibrators: a value the optimizer would join with its neighbours is there to be observed.
  const session = await openSession({
    model: detachData(observed.model, model.bytes),
    data: model.bytes,
    digest: null,
    isOptimized: false,
    isBrief: true,
  });
  try {
    for (const batch of rows) {
      for (let from = 0; from < batch.rowCount; from += BATCH_ROWS) {
        const taken = Array.from({ length: Math.min(BATCH_ROWS, batch.rowCount - from) }, (_, row) => from + row);
        const { signature } = model;
        const outputs = await session.run(encodeFeatures({ signature, batch: takeRows(batch, taken), where }));
        const byName = new Map(outputs.map((tensor) => [tensor.name, tensor]));
        for (const [at, names] of observed.outputs.entries())
          see(
            at,
            names.map((name) => byName.get(name)!),
          );
      }
    }
  } finally {
    await session.close();
  }
}
