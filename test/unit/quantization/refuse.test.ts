import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadModel } from "../../../adapters/inference/load-model.ts";
import { createModel, createNode, createTensor, createValueInfo, float } from "../../../core/onnx/create.ts";
import { serializeModel, type Node, type OnnxModel, type Tensor } from "../../../core/onnx/model.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { quantizationPasses } from "../../../core/quantization/registry.ts";
import { signature } from "../inference/small-model.ts";
import { normals } from "./random-weights.ts";

const matrix = (name: string) => createTensor(name, "FP32", [64, 64], normals(1, 4096, 0.1));
const node = (operator: string, inputs: string[], output: string, attributes: Parameters<typeof createNode>[3] = {}) =>
  createNode(operator, inputs, [output], attributes, { name: `${operator}_${output}` });

function modelOf(nodes: readonly Node[], tensors: readonly Tensor[] = []): OnnxModel {
  return createModel({
    nodes: [...nodes],
    initializers: [...tensors],
    inputs: [createValueInfo("x", "FP32", ["batch", 64])],
    outputs: [createValueInfo("y", "FP32", ["batch", -1])],
  });
}

const scalar = createTensor("s", "FP32", [], Float32Array.of(0.1));
const forest = (input: string, output: string) =>
  createNode("TreeEnsembleRegressor", [input], [output], { n_targets: 1 }, { name: "forest", domain: "ai.onnx.ml" });
const linear = createNode("LinearRegressor", ["x"], ["y"], { coefficients: { floats: [1] } }, { domain: "ai.onnx.ml" });
const external: Tensor = { ...matrix("w"), dataLocation: 1, externalData: [{ key: "location", value: "w.bin" }] };
delete external.rawData;
const looped = modelOf([node("Relu", ["a"], "a"), node("MatMul", ["a", "w"], "y")], [matrix("w")]);
const twice = modelOf(
  [node("MatMul", ["x", "w"], "a"), node("Relu", ["a"], "a"), node("Tanh", ["a"], "y")],
  [matrix("w")],
);

function inLoop(): OnnxModel {
  const body = createModel({
    name: "body",
    nodes: [createNode("Identity", ["keep"], ["on"]), node("MatMul", ["state", "v"], "next")],
    initializers: [matrix("v")],
    inputs: [
      createValueInfo("step", "INT64", []),
      createValueInfo("keep", "BOOL", []),
      createValueInfo("state", "FP32", ["batch", 64]),
    ],
    outputs: [createValueInfo("on", "BOOL", []), createValueInfo("next", "FP32", ["batch", 64])],
  }).graph!;
  const count = createTensor("count", "INT64", [], BigInt64Array.of(3n));
  return modelOf([createNode("Loop", ["count", "", "x"], ["y"], { body: { graph: body } })], [count]);
}

/** A product within the branches of an If, or the body of a Scan. */
function inSubgraph(operator: "If" | "Scan"): OnnxModel {
  const isScan = operator === "Scan";
  const body = createModel({
    name: "body",
    nodes: [node("MatMul", [isScan ? "row" : "x", "v"], "next")],
    initializers: [matrix("v")],
    inputs: isScan ? [createValueInfo("row", "FP32", [64])] : [],
    outputs: [createValueInfo("next", "FP32", ["batch", 64])],
  }).graph!;
  if (isScan) return modelOf([createNode("Scan", ["x"], ["y"], { body: { graph: body }, num_scan_inputs: 1 })]);
  const condition = createTensor("condition", "BOOL", [], Uint8Array.of(1));
  const branches = { then_branch: { graph: body }, else_branch: { graph: body } };
  return modelOf([createNode("If", ["condition"], ["y"], branches)], [condition]);
}

const refusalOf = (model: OnnxModel, pass: (typeof quantizationPasses)[number]["name"] = "dynamic-int8") => {
  try {
    const { nodes } = quantizeModel(serializeModel(model), pass, "m.onnx");
    return nodes.map(({ name, action, reason }) => `${name} ${action}: ${reason}`).join("; ");
  } catch (thrown) {
    return (thrown as Error).message;
  }
};

describe("what may not be quantized is told so, with what to do instead", () => {
  it.each<[string, OnnxModel, RegExp]>([
    [
      "a tree ensemble",
      modelOf([forest("x", "y")]),
      /tree ensemble is not quantizable: TreeEnsembleRegressor .*keep fp32 and batch.*distil/,
    ],
    ["a linear model of scikit-learn", modelOf([linear]), /LinearRegressor keeps its numbers as attributes.*batching/],
    [
      "operators no pass knows",
      modelOf([node("GRU", ["x", "w", "r"], "y")], [matrix("w"), matrix("r")]),
      /no MatMul, Gemm, Gather, LSTM, Conv, ConvTranspose node; it has 1 GRU\).*store-int8/,
    ],
    [
      "weights in another file",
      modelOf([node("MatMul", ["x", "w"], "y")], [external]),
      /its constant is in another file/,
    ],
    ["nodes inside an If", inSubgraph("If"), /MatMul: it is inside a subgraph \(If, Loop, Scan\)/],
    ["nodes inside a Scan", inSubgraph("Scan"), /1 MatMul: it is inside a subgraph \(If, Loop, Scan\)/],
    ["nodes inside a Loop", inLoop(), /1 MatMul: it is inside a subgraph \(If, Loop, Scan\)/],
    [
      "weights read in float as well",
      modelOf([node("MatMul", ["x", "w"], "a"), node("Add", ["a", "w"], "y")], [matrix("w")]),
      /also read in float by Add/,
    ],
    [
      "an integer matrix product",
      modelOf([node("MatMulInteger", ["x", "w"], "y")], [matrix("w")]),
      /quantized already, it has MatMulInteger nodes\); quantize the fp32 model/,
    ],
    [
      "a model with QuantizeLinear and DequantizeLinear around its layers",
      modelOf([node("QuantizeLinear", ["x", "s"], "q"), node("DequantizeLinear", ["q", "s"], "y")], [scalar]),
      /quantized already, it has (De)?[Qq]uantizeLinear nodes\); quantize the fp32 model/,
    ],
    ["a value that makes itself", looped, /"a" is read before anything makes it\); export the model again/],
    ["a value made twice", twice, /"a" is made twice/],
  ])("%s", (_, model, wording) => {
    expect(refusalOf(model)).toMatch(wording);
  });

  it("by every pass alike for a tree ensemble and for a graph that is none", () => {
    const passes = quantizationPasses.map(({ name }) => name);
    for (const name of passes) expect(refusalOf(looped, name)).toContain("is read before anything makes it");
    for (const name of passes.filter((pass) => pass !== "fold-fp32")) {
      expect(refusalOf(modelOf([forest("x", "y")]), name)).toContain("is not quantizable");
    }
  });

  it("but a tree ensemble in a pipeline leaves the rest of it to be quantized, and is told of", () => {
    const scale = node("Gemm", ["x", "w"], "scaled", { alpha: float(1) });
    const said = refusalOf(modelOf([scale, forest("scaled", "y")], [matrix("w")]));
    expect(said).toContain("Gemm_scaled quantized: weights [64, 64] as int8");
    expect(said).toContain("forest left: a tree ensemble is not quantizable");
  });

  it("a file beyond 2 GiB is refused by its size, without reading it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "modelwright-large-"));
    try {
      const path = join(folder, "large.onnx");
      const file = await open(path, "w");
      await file.truncate(2 ** 31 + 5);
      await file.close();
      await expect(loadModel({ path, digest: null, signature })).rejects.toThrow("2147483653 bytes; allowed: at most");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
