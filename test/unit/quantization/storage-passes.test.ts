import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { buildGraph } from "../../../core/onnx/build.ts";
import { createModel, createNode, createTensor, createValueInfo } from "../../../core/onnx/create.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel, serializeModel, type Tensor } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";

const LEVELS = ["disabled", "basic", "extended", "all"] as const;

/** An embedding, a GRU (which no other pass knows), a convolution, both kinds of Gemm, a MatMul and a position table. */
function network(): Uint8Array {
  let seed = 1;
  const graph = buildGraph("mixed");
  const weights = (name: string, ...dims: number[]) =>
    graph.floats(
      name,
      dims,
      normals(
        seed++,
        dims.reduce((a, b) => a * b, 1),
        0.2,
      ),
    );
  const words = graph.input("words", "INT64", ["batch", 12]);
  const table = graph.add("Gather", [weights("table", 200, 32), words]);
  const placed = graph.add("Add", [table, weights("positions", 1, 12, 32)]);
  const first = graph.add("Transpose", [placed], { perm: [1, 0, 2] });
  const recurrent = graph.add("GRU", [first, weights("W", 1, 96, 32), weights("R", 1, 96, 32), weights("B", 1, 192)], {
    hidden_size: 32,
  });
  const merged = graph.add("Squeeze", [recurrent, graph.integers("axes", [1], [1])]);
  const channels = graph.add("Transpose", [merged], { perm: [1, 2, 0] });
  const convolved = graph.add("Conv", [channels, weights("filter", 24, 32, 3), weights("filter_bias", 24)]);
  const flat = graph.add("Flatten", [convolved]);
  const hidden = graph.add("Tanh", [
    graph.add("Gemm", [flat, weights("w1", 64, 240), weights("b1", 64)], { transB: 1 }),
  ]);
  const second = graph.add("Tanh", [graph.add("MatMul", [hidden, weights("w2", 64, 48)])]);
  graph.add("Gemm", [second, weights("w3", 48, 8), weights("b3", 8)], {}, { output: "score" });
  graph.output("score", "FP32", ["batch", 8]);
  return serializeModel(graph.model());
}

const source = network();
const feed = {
  words: { dims: [8, 12], data: BigInt64Array.from({ length: 96 }, (_, at) => BigInt((at * 37) % 200)) },
};

async function operatorsAfterLoading(model: Uint8Array): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "modelwright-"));
  try {
    const optimizedModelFilePath = join(folder, "optimized.onnx");
    const options = { graphOptimizationLevel: "basic", optimizedModelFilePath, logSeverityLevel: 3 } as const;
    await (await InferenceSession.create(model, options)).release();
    const { nodes } = parseModel(new Uint8Array(readFileSync(optimizedModelFilePath)), "optimized").graph!;
    return nodes.map(({ opType }) => opType);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.each([
  { pass: "store-f16", ratio: 0.53, decibels: 60 },
  { pass: "store-int8", ratio: 0.31, decibels: 30 },
] as const)("$pass", ({ pass, ratio, decibels }) => {
  const result = quantizeModel(source, pass, "m.onnx");

  it.each(LEVELS)("runs at optimisation level %s as fp32 does, but for the rounding of its weights", async (level) => {
    const [reference, candidate] = [await runModel(source, feed, level), await runModel(result.model, feed, level)];
    const { signalToNoiseDb } = measureAgreement({ where: "m", reference, candidate, threshold: 0 });
    expect(signalToNoiseDb).toBeGreaterThan(decibels);
  });

  it(`takes at most ${ratio} of the bytes, with the operators of fp32 once it is loaded`, async () => {
    expect(result.sizeBytes / result.sourceBytes).toBeLessThan(ratio);
    expect(await operatorsAfterLoading(result.model)).toEqual(await operatorsAfterLoading(source));
  });

  it("keeps inputs, outputs and operator set, gives the same bytes again and leaves the source alone", () => {
    const before = source.slice();
    expect(Buffer.from(quantizeModel(source, pass, "m.onnx").model).equals(result.model)).toBe(true);
    expect(Buffer.from(source).equals(before)).toBe(true);
    const [from, to] = [inspectModel(source, "fp32"), inspectModel(result.model, "stored")];
    expect([to.inputs, to.outputs, to.opset]).toEqual([from.inputs, from.outputs, from.opset]);
  });

  it("stores a Constant node too, and one weight of many readers once", async () => {
    const tensor = createTensor("", "FP32", [64, 64], normals(5, 4096));
    const nodes = [
      createNode("Constant", [], ["w"], { value: { tensor } }),
      createNode("MatMul", ["x", "w"], ["a"], {}, { name: "first" }),
      createNode("MatMul", ["a", "w"], ["y"], {}, { name: "second" }),
    ];
    const bytes = modelOf(nodes, []);
    const { model, nodes: actions } = quantizeModel(bytes, pass, "m.onnx");
    expect(actions.map(({ name, action }) => [name, action])).toEqual([
      ["first", "stored"],
      ["second", "stored"],
    ]);
    const operators = parseModel(model, "m").graph!.nodes.map(({ opType }) => opType);
    expect(operators.filter((operator) => operator === "Cast")).toHaveLength(1);
    expect(operators).not.toContain("Constant");
    const rows = { x: { dims: [4, 64], data: normals(6, 256) } };
    const [reference, candidate] = [await runModel(bytes, rows), await runModel(model, rows)];
    const { signalToNoiseDb } = measureAgreement({ where: "m", reference, candidate, threshold: 0 });
    expect(signalToNoiseDb).toBeGreaterThan(decibels);
  });

  it("lets a subgraph read a weight of the main graph under its old name", async () => {
    const branch = (name: string, operator: string) =>
      createModel({
        name,
        nodes: [createNode(operator, ["x", "w"], [`${name}_y`])],
        outputs: [createValueInfo(`${name}_y`, "FP32", ["batch", 64])],
      }).graph!;
    const nodes = [
      createNode("MatMul", ["x", "w"], ["a"]),
      createNode("If", ["yes"], ["b"], {
        then_branch: { graph: branch("then", "MatMul") },
        else_branch: { graph: branch("else", "MatMul") },
      }),
      createNode("Sub", ["a", "b"], ["y"]),
    ];
    const weight = createTensor("w", "FP32", [64, 64], normals(5, 4096));
    const bytes = modelOf(nodes, [weight, createTensor("yes", "BOOL", [1], Uint8Array.of(1))]);
    const rows = { x: { dims: [4, 64], data: normals(6, 256) } };
    expect(Math.max(...(await runModel(quantizeModel(bytes, pass, "m.onnx").model, rows)).map(Math.abs))).toBeLessThan(
      1e-4,
    );
  });

  it("has nothing left to store the second time", () => {
    expect(() => quantizeModel(result.model, pass, "m.onnx")).toThrow(/m\.onnx: nothing to quantize/);
  });

  it("refuses a model without constants, and one that is quantized already", () => {
    expect(() => quantizeModel(modelOf([createNode("Relu", ["x"], ["y"])], []), pass, "m")).toThrow(
      /no node reads a constant/,
    );
    const quantized = quantizeModel(source, "dynamic-int8", "m.onnx").model;
    expect(() => quantizeModel(quantized, pass, "m")).toThrow(/it is quantized already/);
  });
});

function modelOf(nodes: Parameters<typeof createModel>[0]["nodes"], initializers: Tensor[], input = "x") {
  return serializeModel(
    createModel({
      nodes: nodes ?? [],
      initializers,
      inputs: [createValueInfo(input, "FP32", ["batch", 64])],
      outputs: [createValueInfo("y", "FP32", ["batch", 64])],
    }),
  );
}

it("says what became of each node's constants", () => {
  const said = (pass: "store-f16" | "store-int8") =>
    quantizeModel(source, pass, "m.onnx").nodes.map(({ name, action, reason }) => `${name} ${action}: ${reason}`);
  expect(said("store-int8")).toEqual([
    "Gather_0 stored: table [200, 32] as int8, one scale a channel",
    "Add_1 stored: positions [1, 12, 32] as int8, one scale a channel",
    "GRU_3 stored: W [1, 96, 32] as int8, one scale a channel; R [1, 96, 32] as int8, one scale a channel",
    "Squeeze_4 left: its constant is INT64, not FP32",
    "Conv_6 stored: filter [24, 32, 3] as int8, one scale a channel",
    "Gemm_8 stored: w1 [64, 240] as int8, one scale a channel",
    "MatMul_10 stored: w2 [64, 48] as int8, one scale a channel",
    "Gemm_12 stored: w3 [48, 8] as int8, one scale a channel",
  ]);
  expect(said("store-f16")[2]).toBe(
    "GRU_3 stored: W [1, 96, 32] as float16; R [1, 96, 32] as float16; B [1, 192] as float16",
  );
});

it.each([
  ["values beyond half precision", 1e5, /its largest value 100000 is beyond half precision/],
  ["values all too small for it", 1e-6, /is too small for half precision/],
  ["values that are no numbers", Number.NaN, /its constant holds NaN or infinity/],
])("leaves in fp32: %s", (_, value, wording) => {
  const weight = createTensor("w", "FP32", [64, 64], new Float32Array(4096).fill(value));
  expect(() => quantizeModel(modelOf([createNode("MatMul", ["x", "w"], ["y"])], [weight]), "store-f16", "m")).toThrow(
    wording,
  );
});

it("leaves a weight that callers may override, and one that is an output", () => {
  const weight = createTensor("w", "FP32", [64, 64], normals(5, 4096));
  const model = parseModel(modelOf([createNode("MatMul", ["x", "w"], ["y"])], [weight]), "m");
  model.graph!.inputs.push(createValueInfo("w", "FP32", [64, 64]));
  expect(() => quantizeModel(serializeModel(model), "store-f16", "m")).toThrow(/no node reads a constant/);
  model.graph!.inputs.pop();
  model.graph!.outputs.push(createValueInfo("w", "FP32", [64, 64]));
  expect(() => quantizeModel(serializeModel(model), "store-f16", "m")).toThrow(
    /its constant is an output of the graph/,
  );
});
