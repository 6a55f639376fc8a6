import { describe, expect, it } from "vitest";
import { foldModel } from "../../../adapters/inference/fold-model.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { float } from "../../../core/onnx/create.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";

/** A Conv whose normalization a runtime folds, and a weight that is computed from constants. */
function normalized() {
  const graph = buildGraph("normalized");
  const image = graph.input("image", "FP32", ["batch", 1, 8, 8]);
  const filter = graph.floats("filter", [8, 1, 3, 3], normals(1, 72, 0.3));
  const channel = (name: string, seed: number) => graph.floats(name, [8], normals(seed, 8).map(Math.abs));
  const statistics = [channel("scale", 2), channel("shift", 3), channel("mean", 4), channel("variance", 5)];
  const convolved = graph.add("Conv", [image, filter, channel("bias", 6)], {}, { name: "conv" });
  const normal = graph.add(
    "BatchNormalization",
    [convolved, ...statistics],
    { epsilon: float(1e-3) },
    { name: "norm" },
  );
  const row = graph.add("Flatten", [graph.add("Relu", [normal], {}, { name: "relu" })], {}, { name: "flatten" });
  const half = graph.add(
    "Mul",
    [graph.floats("w", [288, 32], normals(7, 288 * 32, 0.05)), graph.floats("two", [], [2])],
    {},
    { name: "double" },
  );
  graph.add("MatMul", [row, half], {}, { name: "dense", output: "y" });
  graph.output("y", "FP32", ["batch", 32]);
  return serializeModel(graph.model());
}

const source = normalized();
const feed = { image: { dims: [16, 1, 8, 8], data: normals(9, 1024) } };
const noiseOf = (one: readonly number[], other: readonly number[]) =>
  Math.sqrt(
    one.reduce((sum, value, at) => sum + (value - other[at]!) ** 2, 0) /
      one.reduce((sum, value) => sum + value ** 2, 0),
  );

describe("a model folded by ONNX Runtime's basic level", () => {
  it("is the same file every time, computes the same, and says which nodes are gone", async () => {
    const folded = await foldModel(source);
    expect(Buffer.from(await foldModel(source)).equals(folded)).toBe(true);
    const { model, nodes } = quantizeModel(source, "fold-fp32", "m", { folded });
    expect(nodes.filter(({ action }) => action === "stored").map(({ name }) => name)).toEqual([
      "conv",
      "norm",
      "double",
    ]);
    expect(parseModel(model, "m").graph!.nodes.map(({ opType }) => opType)).toEqual([
      "Conv",
      "Relu",
      "Flatten",
      "MatMul",
    ]);
    for (const level of ["disabled", "basic", "extended", "all"] as const) {
      expect(noiseOf(await runModel(source, feed, "disabled"), await runModel(model, feed, level))).toBeLessThan(1e-5);
    }
  });

  it("is what static int8 starts from: the Conv and the weight it could not see before are quantized", async () => {
    const settings = { folded: await foldModel(source) };
    const quantize = (given: Partial<typeof settings>) => {
      const values = valuesToCalibrate(source, "static-int8", "m", given);
      const ranges = new Map(values.map((value) => [value, { low: -8, high: 8 }]));
      return quantizeModel(source, "static-int8", "m", { ...given, ranges });
    };
    const actions = (given: Partial<typeof settings>) =>
      quantize(given).nodes.map(({ operator, action }) => `${operator} ${action}`);
    expect(actions({})).toEqual(["Conv quantized", "Relu left", "Flatten left", "MatMul left"]);
    expect(actions(settings)).toEqual(["Conv quantized", "Relu quantized", "Flatten quantized", "MatMul quantized"]);
    const { model } = quantize(settings);
    expect(noiseOf(await runModel(source, feed, "disabled"), await runModel(model, feed))).toBeLessThan(0.1);
  });

  it("has no candidate when there is nothing to fold", async () => {
    const folded = await foldModel(source);
    expect(() => quantizeModel(folded, "fold-fp32", "m", { folded })).toThrow("nothing in it is constant");
  });
});
