import { describe, expect, it } from "vitest";
import { predict } from "../../../adapters/inference/predict.ts";
import type { Session } from "../../../adapters/inference/session.ts";
import { zeroTensors } from "../../../adapters/inference/zero-tensors.ts";
import { signature } from "./small-model.ts";

/** A session that answers with these probabilities whatever it is asked. */
const answering = (...values: number[]): Session => ({
  inputs: ["origin", "numbers"],
  outputs: ["probability"],
  run: async () => [
    { name: "probability", datatype: "FP32", shape: [values.length, 1], data: Float32Array.from(values) },
  ],
  close: async () => undefined,
});
const predictTwo = (...values: number[]) =>
  predict({ session: answering(...values), signature }, zeroTensors(signature, 2));

describe("predict", () => {
  it("gives one probability a row", async () => {
    expect(Array.from(await predictTwo(0.25, 0.5))).toEqual([0.25, 0.5]);
  });
  it("cuts the rounding of low precision to [0, 1], which metrics need", async () => {
    expect(Array.from(await predictTwo(1.0005, -0.0005))).toEqual([1, 0]);
  });
  it("refuses an output that is not one finite probability a row", async () => {
    for (const values of [[0.5], [0.5, 0.5, 0.5], [0.5, Number.NaN], [0.5, 1.2], [0.5, Infinity]]) {
      await expect(predictTwo(...values)).rejects.toMatchObject({ code: "MODEL_SIGNATURE" });
    }
  });
});
