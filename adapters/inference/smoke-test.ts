import type { DataSource } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import type { LoadedModel } from "./load-model.ts";
import { predict } from "./predict.ts";
import { sampleRows } from "./sample-rows.ts";
import { zeroTensors } from "./zero-tensors.ts";

const SAMPLE_ROWS = 64;

/**
 * Runs a model on up to 64 rows spread over real data, or on zeros without data, together and on a row alone: both must give one
 * finite probability a row. Values are not compared, a quantized model may round by what it is batched with.
 *
 * @throws MODEL_SIGNATURE, INFERENCE_FAILED; DATA_EMPTY for data without rows; what reading and encoding the sample throws
 */
export async function smokeTest(model: LoadedModel, sample: DataSource | null): Promise<void> {
  const { signature } = model;
  if (sample === null) {
    for (const rowCount of [SAMPLE_ROWS, 1]) await predict(model, zeroTensors(signature, rowCount));
    return;
  }
  const batches = await sampleRows(sample, featureColumns(signature), SAMPLE_ROWS);
  if (batches.length === 0) throw new Failure("DATA_EMPTY", { where: sample.path, window: "" });
  for (const batch of batches) {
    const tensors = encodeFeatures({ signature, batch, where: sample.path });
    await predict(model, tensors);
    await predict(model, firstRow(tensors));
  }
}

/** The first row of encoded tensors as a batch of one. */
function firstRow(tensors: ReturnType<typeof encodeFeatures>) {
  return tensors.map((tensor) => {
    const size = tensor.data.length / (tensor.shape[0] ?? 1);
    return { ...tensor, shape: [1, ...tensor.shape.slice(1)], data: tensor.data.slice(0, size) };
  });
}
