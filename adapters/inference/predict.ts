import type { Tensor } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { decodePrediction } from "../../core/data/decode-prediction.ts";
import type { Session } from "./session.ts";

/**
 * Runs encoded rows and returns one probability of the positive class a row, in [0, 1].
 *
 * @throws INFERENCE_FAILED; MODEL_SIGNATURE when the output is not one finite probability for each row
 */
export async function predict(
  { session, signature }: { readonly session: Session; readonly signature: ModelSignature },
  tensors: readonly Tensor[],
): Promise<Float32Array | Float64Array> {
  const rowCount = tensors[0]?.shape[0] ?? 0;
  const scores = decodePrediction(signature, await session.run(tensors));
  if (scores.length !== rowCount) {
    throw new Failure("MODEL_SIGNATURE", {
      where: `output "${signature.prediction.output}"`,
      found: `${scores.length} values for ${rowCount} rows`,
      expected: "one value a row",
    });
  }
  // decodePrediction leaves room for the rounding of low precision; beyond [0, 1] it is no probability to a metric.
  return scores.map((score) => Math.min(1, Math.max(0, score)));
}
