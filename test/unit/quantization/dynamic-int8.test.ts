import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { buildGraph } from "../../../core/onnx/build.ts";
import { createModel, createNode, createTensor, createValueInfo, float } from "../../../core/onnx/create.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel, serializeModel, type Node, type Tensor } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";

const fixtures = new URL("../../fixtures/onnx/", import.meta.url);
const mlp = new Uint8Array(readFileSync(new URL("mlp.onnx", fixtures)));
const { tensors: expected, run } = JSON.parse(readFileSync(new URL("mlp.int8.json", fixtures), "utf8")) as {
  readonly tensors: Record<string, { dims: number[]; bytes: string }>;
  readonly run: { readonly feed: Record<string, string>; readonly fp32: string };
};
const theirModel = new Uint8Array(readFileSync(new URL("mlp.int8.onnx", fixtures)));
const quantize = (bytes: Uint8Array) => quantizeModel(bytes, "dynamic-int8", "model.onnx");

/** A linear congruential generator: tests need the same weights on every machine. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
const normal = (random: () => number, count: number, deviation: number) =>
  Float32Array.from(
    { length: count },
    () => (random() + random() + random() + random() - 2) * Math.sqrt(3) * deviation,
  );

function networkWithEmbeddings() {
  const random = createRandom(3);
  const graph = buildGraph("flights");
  const weights = (name: string, dims: number[], deviation: number) =>
    graph.floats(
      name,
      dims,
      normal(
        random,
        dims.reduce((a, b) => a * b, 1),
        deviation,
      ),
    );
  const origin = graph.input("origin", "INT64", ["batch"]);
  const destination = graph.input("destination", "INT64", ["batch"]);
  const hours = graph.input("hours", "FP32", ["batch", 8]);
  const rows = [origin, destination].map((input) =>
    graph.add("Gather", [weights(`${input}_table`, [300, 16], 0.3), input]),
  );
  let layer = graph.add("Concat", [...rows, hours], { axis: 1 });
  let width = 40;
  for (const [index, size] of [256, 160].entries()) {
    const operands = [
      layer,
      weights(`w${index}`, [width, size], 1.4 / Math.sqrt(width)),
      weights(`b${index}`, [size], 0.1),
    ];
    layer = graph.add("Relu", [graph.add("Gemm", operands)]);
    width = size;
  }
  layer = graph.add("Gemm", [layer, weights("w_last", [width, 1], 0.1), weights("b_last", [1], 0.1)]);
  graph.add("Sigmoid", [layer], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

function feedFor(random: () => number, rowCount: number, categories: readonly string[], categoryCount: number) {
  const ids = () => BigInt64Array.from({ length: rowCount }, () => BigInt(Math.floor(random() * categoryCount)));
  return {
    ...Object.fromEntries(categories.map((name) => [name, { dims: [rowCount], data: ids() }])),
    hours: { dims: [rowCount, 8], data: normal(random, rowCount * 8, 1) },
  };
}

describe("dynamic int8 beside onnxruntime.quantization", () => {
  const result = quantize(mlp);
  const ours = new Map(parseModel(result.model, "int8").graph!.initializers.map((tensor) => [tensor.name, tensor]));
  const bytesOf = (tensor: Tensor | undefined) => Buffer.from(tensor?.rawData ?? []).toString("base64");
  // w5, 40 weights, is too small to pay and stays in float; ONNX Runtime's quantizer grows the file for it.
  const written = Object.keys(expected).filter((name) => !name.startsWith("w5"));
  const names = written.filter((name) => !/^w\d_zero_point$/.test(name));

  it.each(names)("gives %s byte for byte", (name) => {
    expect(ours.get(name)?.dims).toEqual(expected[name]!.dims);
    expect(bytesOf(ours.get(name))).toBe(expected[name]!.bytes);
  });

  it("leaves out zero points of weights, which are all 0 in theirs", () => {
    const leftOut = written.filter((name) => !names.includes(name));
    expect(leftOut).toEqual(["w1_zero_point", "w2_zero_point", "w3_zero_point"]);
    for (const name of leftOut) {
      expect(ours.has(name)).toBe(false);
      expect(Buffer.from(expected[name]!.bytes, "base64").every((value) => value === 0)).toBe(true);
    }
  });

  it("compares every weight: two tables, a MatMul with ties and zero and tiny columns, a transposed Gemm, a shared one", () => {
    expect(names).toHaveLength(2 * 3 + 3 * 2);
    const ties = Int8Array.from(Buffer.from(expected["w1_quantized"]!.bytes, "base64")).filter(
      (_, index) => index % 48 === 0,
    );
    expect(Array.from(ties.slice(0, 6))).toEqual([127, 0, 2, 2, 4, 4]);
  });

  it("says what it did to each node and why it left one", () => {
    expect(result.nodes).toEqual([
      { name: "gather_carrier", operator: "Gather", action: "quantized", reason: "table [60, 8] as uint8, one scale" },
      { name: "gather_origin", operator: "Gather", action: "quantized", reason: "table [60, 4] as uint8, one scale" },
      {
        name: "dense1",
        operator: "MatMul",
        action: "quantized",
        reason: "weights [20, 48] as int8, one scale a column",
      },
      { name: "dense2", operator: "Gemm", action: "quantized", reason: "weights [40, 48] as int8, one scale a column" },
      {
        name: "dense3",
        operator: "MatMul",
        action: "quantized",
        reason: "weights [40, 40] as int8, one scale a column",
      },
      {
        name: "dense3_again",
        operator: "MatMul",
        action: "quantized",
        reason: "weights [40, 40] as int8, one scale a column",
      },
      { name: "dense4", operator: "Gemm", action: "left", reason: "alpha is 0.5 and beta is 1, both must be 1" },
      {
        name: "head",
        operator: "Gemm",
        action: "left",
        reason: "40 weights are too few: int8 would make the file 584 bytes larger",
      },
    ]);
  });

  it.each(["disabled", "basic", "extended", "all"] as const)(
    "runs at optimisation level %s and stays as close to fp32 as ONNX Runtime's own int8 model",
    async (level) => {
      const decode = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64")).buffer;
      const floats = (base64: string) => new Float32Array(decode(base64));
      const feed = {
        carrier: { dims: [64], data: new BigInt64Array(decode(run.feed["carrier"]!)) },
        origin: { dims: [64], data: new BigInt64Array(decode(run.feed["origin"]!)) },
        hours: { dims: [64, 8], data: floats(run.feed["hours"]!) },
      };
      const compare = (candidate: ArrayLike<number>) =>
        measureAgreement({ where: "mlp", reference: floats(run.fp32), candidate, threshold: 0.5 });
      expect(compare(await runModel(mlp, feed, level)).maximumDifference).toBeLessThan(1e-5);
      // Both run here and now: int8 kernels differ between processors, some of them saturate.
      const ours = compare(await runModel(result.model, feed, level));
      const theirs = compare(await runModel(theirModel, feed, level));
      expect(ours.meanDifference).toBeLessThan(theirs.meanDifference * 1.05);
      expect(ours.meanDifference).toBeGreaterThan(theirs.meanDifference * 0.5);
      expect(ours.signalToNoiseDb).toBeGreaterThan(theirs.signalToNoiseDb! - 0.5);
    },
  );
});

it("is fused by ONNX Runtime into one kernel a MatMul", async () => {
  const folder = mkdtempSync(join(tmpdir(), "modelwright-"));
  try {
    const optimizedModelFilePath = join(folder, "optimized.onnx");
    const session = await InferenceSession.create(quantize(mlp).model, {
      graphOptimizationLevel: "extended",
      optimizedModelFilePath,
      logSeverityLevel: 3,
    });
    await session.release();
    const { nodes } = parseModel(new Uint8Array(readFileSync(optimizedModelFilePath)), "optimized").graph!;
    const operators = nodes.map(({ opType }) => opType).filter((operator) => /MatMul/.test(operator));
    expect(operators).toEqual(Array.from({ length: 4 }, () => "DynamicQuantizeMatMul"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("dynamic int8 of a network with embeddings", () => {
  const bytes = networkWithEmbeddings();
  const result = quantize(bytes);

  it("is at most 0.35 of the fp32 size", () => {
    const facts = inspectModel(bytes, "fp32");
    expect(facts.parameterCount).toBeGreaterThan(55_000);
    expect(result.sourceBytes).toBe(bytes.length);
    expect(result.sizeBytes).toBe(result.model.length);
    expect(result.sizeBytes / result.sourceBytes).toBeLessThan(0.35);
  });

  it("agrees with fp32 on nearly every decision", async () => {
    const feed = feedFor(createRandom(5), 1000, ["origin", "destination"], 300);
    const [reference, candidate] = [await runModel(bytes, feed), await runModel(result.model, feed)];
    const agreement = measureAgreement({ where: "flights", reference, candidate, threshold: 0.5 });
    expect(agreement.sameDecisionShare).toBeGreaterThan(0.97);
    expect(agreement.signalToNoiseDb).toBeGreaterThan(30);
  });

  it("gives the same bytes again and leaves the source alone", () => {
    const before = bytes.slice();
    expect(Buffer.from(quantize(bytes).model).equals(result.model)).toBe(true);
    expect(Buffer.from(bytes).equals(before)).toBe(true);
  });

  it("keeps inputs and outputs, passes admission, and names things as ONNX Runtime's quantizer does", () => {
    const [source, target] = [inspectModel(bytes, "fp32"), inspectModel(result.model, "int8")];
    expect([target.inputs, target.outputs, target.opset]).toEqual([source.inputs, source.outputs, source.opset]);
    const names = parseModel(result.model, "int8").graph!.initializers.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["w0_quantized", "w0_scale", "origin_table_zero_point", "w_last"]));
    expect(names).not.toContain("w0");
  });

  it("is refused a second time", () => {
    expect(() => quantize(result.model)).toThrow(/model\.onnx: nothing to quantize \(it is quantized already/);
  });
});

describe("what dynamic int8 leaves in float", () => {
  const matrix = (name: string) => createTensor(name, "FP32", [64, 64], normal(createRandom(1), 4096, 0.1));
  const modelOf = (nodes: Node[], tensors: Tensor[], opset = 17) =>
    serializeModel(
      createModel(
        {
          nodes,
          initializers: tensors,
          inputs: [createValueInfo("x", "FP32", ["batch", 64])],
          outputs: [createValueInfo("y", "FP32", ["batch", 64])],
        },
        { opset },
      ),
    );
  const half = createTensor("w", "FP16", [64, 64], new Uint16Array(4096));
  const broken = matrix("w");
  new Float32Array(broken.rawData!.buffer)[7] = NaN;
  const product = createNode("MatMul", ["x", "w"], ["y"], {}, { name: "m" });

  it.each<[string, Uint8Array, RegExp]>([
    [
      "a product of two inputs",
      modelOf([createNode("MatMul", ["x", "x"], ["y"])], []),
      /MatMul: its second operand is no constant/,
    ],
    ["half precision weights", modelOf([product], [half]), /its constant is FP16, not FP32/],
    ["weights that are no numbers", modelOf([product], [broken]), /its constant holds NaN or infinity/],
    [
      "a stack of matrices",
      modelOf([product], [{ ...matrix("w"), dims: [4, 16, 64] }]),
      /its weights have 3 axes, not 2/,
    ],
    [
      "a Gemm whose first operand is transposed",
      modelOf([createNode("Gemm", ["x", "w"], ["y"], { transA: 1 })], [matrix("w")]),
      /its first operand is transposed/,
    ],
    [
      "a Gemm that scales",
      modelOf([createNode("Gemm", ["x", "w"], ["y"], { beta: float(2) })], [matrix("w")]),
      /alpha is 1 and beta is 2/,
    ],
    [
      "weights somebody reads in float",
      modelOf([product, createNode("Add", ["y", "w"], ["z"], {}, { name: "adds" })], [matrix("w")]),
      /its weights are also read in float by Add "adds"/,
    ],
    [
      "weights read both ways round",
      modelOf([product, createNode("Gemm", ["x", "w"], ["z"], { transB: 1 }, { name: "g" })], [matrix("w")]),
      /its weights are also read in float by/,
    ],
    ["an old operator set", modelOf([product], [matrix("w")], 10), /operator set 10, dynamic-int8 needs 11 or newer/],
    [
      "no such operators",
      modelOf([createNode("Relu", ["x"], ["y"])], []),
      /no MatMul, Gemm, Gather, LSTM, Conv, ConvTranspose node/,
    ],
  ])("refuses, with the reason: %s", (_, bytes, wording) => {
    expect(() => quantize(bytes)).toThrow(wording);
    expect(() => quantize(bytes)).toThrow(/keep fp32/);
  });

  it("a Conv, whose filter is stored in 8 bits and widened when the model is loaded, once for two readers", async () => {
    const filter = createTensor("f", "FP32", [16, 1, 7], normal(createRandom(2), 112, 0.1));
    const deep = createTensor("d", "FP32", [16, 16, 9], normal(createRandom(3), 2304, 0.1));
    const axes = createTensor("axes", "INT64", [1], BigInt64Array.of(1n));
    const pads = { pads: [4, 4] };
    const nodes = [
      createNode("Unsqueeze", ["x", "axes"], ["image"]),
      createNode("Conv", ["image", "f"], ["a"], { pads: [3, 3] }, { name: "stem" }),
      createNode("Conv", ["a", "d"], ["b"], pads, { name: "first" }),
      createNode("Conv", ["b", "d"], ["c"], pads, { name: "second" }),
      createNode("ReduceMean", ["c"], ["m"], { axes: [1], keepdims: 0 }),
      createNode("MatMul", ["m", "w"], ["y"], {}, { name: "dense" }),
    ];
    const bytes = modelOf(nodes, [filter, deep, axes, matrix("w")]);
    const { model, nodes: said } = quantize(bytes);
    expect(said.map(({ name, action, reason }) => `${name}: ${action}, ${reason}`)).toEqual([
      "stem: left, 112 weights are too few: int8 would make the file 78 bytes larger",
      "first: stored, d [16, 16, 9] as int8, one scale a channel",
      "second: stored, d [16, 16, 9] as int8, one scale a channel",
      "dense: quantized, weights [64, 64] as int8, one scale a column",
    ]);
    expect(parseModel(model, "m").graph!.initializers.filter(({ name }) => name.startsWith("d_"))).toHaveLength(2);
    const feed = { x: { dims: [4, 64], data: normal(createRandom(9), 256, 1) } };
    for (const level of ["disabled", "all"] as const) {
      const [reference, candidate] = [await runModel(bytes, feed, level), await runModel(model, feed, level)];
      const { signalToNoiseDb } = measureAgreement({ where: "m", reference, candidate, threshold: 0 });
      expect(signalToNoiseDb).toBeGreaterThan(28);
    }
  });

  it("quantizes an activation once for two readers, and a weight from a Constant node", async () => {
    const constant = createNode("Constant", [], ["w"], { value: { tensor: matrix("") } });
    const second = createNode("MatMul", ["x", "v"], ["b"], {}, { name: "n" });
    const nodes = [constant, { ...product, outputs: ["a"] }, second, createNode("Add", ["a", "b"], ["y"])];
    const bytes = modelOf(nodes, [matrix("v")]);
    const { model } = quantize(bytes);
    const operators = parseModel(model, "int8").graph!.nodes.map(({ opType }) => opType);
    expect(operators.filter((operator) => operator === "DynamicQuantizeLinear")).toHaveLength(1);
    expect(operators).not.toContain("Constant");
    const feed = { x: { dims: [4, 64], data: normal(createRandom(9), 256, 1) } };
    const [reference, candidate] = [await runModel(bytes, feed), await runModel(model, feed)];
    const { signalToNoiseDb } = measureAgreement({ where: "m", reference, candidate, threshold: 0 });
    expect(signalToNoiseDb).toBeGreaterThan(30);
  });
});
