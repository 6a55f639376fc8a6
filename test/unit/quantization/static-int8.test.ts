import { describe, expect, it } from "vitest";
import { createModel, createNode, createTensor, createValueInfo, float } from "../../../core/onnx/create.ts";
import { parseModel, serializeModel, type Node, type Tensor } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";
import {
  fixture,
  source,
  theirModel,
  quantize,
  operatorsOf,
  fusedOperators,
  matrix,
  modelOf,
  node,
  signalToNoise,
} from "./static-int8-graphs.ts";

describe("static int8 beside onnxruntime.quantization", () => {
  it.each(["full", "reduced"] as const)(
    "gives every weight, bias, scale and zero point byte for byte, range %s",
    (kind) => {
      const { model } = quantize(source, { reduceRange: kind === "reduced" });
      const tensors = parseModel(model, "int8").graph!.initializers.filter(({ name }) => !["w4", "b4"].includes(name));
      const ours = tensors.map(({ name, dims, rawData }) => [
        name,
        { dims, bytes: Buffer.from(rawData!).toString("base64") },
      ]);
      // Two outputs that are only read in float stay float here.
      const all = Object.entries(fixture.quantized[kind]).filter(([name]) => !/^d[23]_/.test(name));
      // Zero points that are all 0 are not written: of biases, and of weights that no Gemm reads.
      const written = new Set(ours.map(([name]) => name));
      const [theirs, leftOut] = [true, false].map((isWritten) =>
        all.filter(([name]) => written.has(name) === isWritten),
      );
      for (const [name, { bytes }] of leftOut!) {
        expect(name).toMatch(/_zero_point$/);
        expect(Buffer.from(bytes, "base64").every((value) => value === 0)).toBe(true);
      }
      expect(leftOut).toHaveLength(12);
      expect(Object.fromEntries(ours)).toEqual(
        Object.fromEntries(theirs!.map(([name, { dims, bytes }]) => [name, { dims, bytes }])),
      );
      expect(ours).toHaveLength(52);
    },
  );

  it("compares a bias for which the scale of its weights had to grow", () => {
    const scales = new Float32Array(
      Uint8Array.from(Buffer.from(fixture.quantized.full["w2_scale"]!.bytes, "base64")).buffer,
    );
    const weights = parseModel(source, "fp32").graph!.initializers.find(({ name }) => name === "w2")!;
    const row = new Float32Array(weights.rawData!.slice(3 * 32 * 4, 4 * 32 * 4).buffer);
    expect(scales[3]! / (Math.max(...row.map(Math.abs)) / 127)).toBeGreaterThan(1.5);
  });

  const floats = (base64: string) => new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
  it.each(["disabled", "basic", "extended", "all"] as const)(
    "runs at optimisation level %s, nearer to fp32 than ONNX Runtime's own int8 model",
    async (level) => {
      const feed = { image: { dims: [96, 1, 12, 12], data: floats(fixture.images) } };
      const compare = async (model: Uint8Array) => {
        const candidate = await runModel(model, feed, level);
        return measureAgreement({ where: "m", reference: floats(fixture.probability), candidate, threshold: 0.5 });
      };
      const [fp32, ours, theirs] = [
        await compare(source),
        await compare(quantize(source).model),
        await compare(theirModel),
      ];
      expect(fp32.maximumDifference).toBeLessThan(1e-5);
      expect(ours.maximumDifference).toBeLessThan(0.02);
      expect(ours.maximumDifference).toBeGreaterThan(1e-5);
      expect(ours.meanDifference).toBeLessThan(theirs.meanDifference);
    },
  );

  it("is fused by ONNX Runtime into integer kernels, without a conversion in between", async () => {
    expect((await fusedOperators(quantize(source).model)).join(" ")).toBe(
      "QuantizeLinear QLinearConv MaxPool QLinearConv QLinearConv QLinearConv QLinearConcat QLinearConv QLinearAdd " +
        "QLinearGlobalAveragePool Flatten QGemm QGemm Tanh QuantizeLinear MatMulIntegerToFloat Tanh FusedGemm",
    );
  });

  it("gives a row the same result alone and in a batch", async () => {
    const { model } = quantize(source);
    const images = floats(fixture.images);
    const together = await runModel(model, { image: { dims: [96, 1, 12, 12], data: images } });
    for (const row of [0, 40, 95]) {
      const alone = images.slice(row * 144, (row + 1) * 144);
      const [score] = await runModel(model, { image: { dims: [1, 1, 12, 12], data: alone } });
      expect(score).toBeCloseTo(together[row]!, 6);
    }
  });

  it("says what it did to each node and why it left one", () => {
    const said = quantize(source).nodes.map(({ name, action, reason }) => `${name}: ${action}, ${reason}`);
    expect(said).toHaveLength(18);
    expect(said).toEqual(
      expect.arrayContaining([
        "stem: quantized, weights [8, 1, 3, 3] as int8, one scale a channel, bias as int32",
        "relu6: quantized, done by quantizing to the range it leaves",
        "pool: quantized, works on uint8, with the scale of its input",
        "concat: quantized, works on uint8, its output has a range of its own",
        "dense1: quantized, weights [16, 32] as int8, one scale a channel, bias as int32, output in uint8",
        "dense3: quantized, weights [20, 24] as int8, one scale a channel, output in float",
        "head: left, 24 weights are too few: int8 would make the file 833 bytes larger",
      ]),
    );
  });

  it("is refused a second time, and so is what ONNX Runtime's quantizer made", () => {
    for (const model of [quantize(source).model, theirModel]) {
      expect(() => quantize(model)).toThrow(/it is quantized already, it has (Dequantize|Quantize)Linear nodes/);
    }
  });
});

describe("what static int8 leaves in float", () => {
  const bias = (dims: number[]) => createTensor("b", "FP32", dims, normals(2, 64));
  const product = node("MatMul", ["x", "w"], "y");
  const broken = matrix("w");
  new Float32Array(broken.rawData!.buffer)[7] = Number.NaN;

  it.each<[string, Uint8Array, RegExp]>([
    ["a product of two inputs", modelOf([node("MatMul", ["x", "x"], "y")], []), /its second operand is no constant/],
    ["weights that are no numbers", modelOf([product], [broken]), /its constant holds NaN or infinity/],
    [
      "a bias that is computed",
      modelOf([node("Relu", ["b"], "c"), node("Gemm", ["x", "w", "c"], "y")], [matrix("w"), bias([64])]),
      /its bias is no constant/,
    ],
    [
      "a bias of another shape",
      modelOf([node("Gemm", ["x", "w", "b"], "y")], [matrix("w"), bias([1, 64])]),
      /its bias has the shape \[1, 64\], not \[64\]/,
    ],
    [
      "a Gemm that scales",
      modelOf([node("Gemm", ["x", "w"], "y", { alpha: float(2) })], [matrix("w")]),
      /alpha is 2 and beta is 1/,
    ],
    [
      "weights read in float",
      modelOf([product, node("Add", ["y", "w"], "z")], [matrix("w")]),
      /also read in float by Add/,
    ],
    ["an old operator set", modelOf([product], [matrix("w")], { opset: 12 }), /operator set 12, static-int8 needs 13/],
    [
      "two constants",
      modelOf([node("MatMul", ["v", "w"], "y")], [matrix("v"), matrix("w")]),
      /its first operand is a constant/,
    ],
    ["a missing operand", modelOf([node("MatMul", ["", "w"], "y")], [matrix("w")]), /it has no first operand/],
    ["a Relu alone", modelOf([node("Relu", ["x"], "y")], []), /its input is not quantized/],
  ])("refuses, with the reason: %s", (_, bytes, wording) => {
    expect(() => quantize(bytes)).toThrow(wording);
  });

  it("a Relu whose input somebody else reads, but not one whose output is read in float: its node would not be fused", async () => {
    const tensors = [matrix("w"), matrix("v", [64, 64], 2)];
    const twice = modelOf(
      [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "r"),
        node("MatMul", ["r", "v"], "b"),
        node("Add", ["a", "b"], "y"),
      ],
      tensors,
    );
    const reasonOf = (bytes: Uint8Array) => quantize(bytes).nodes.find(({ operator }) => operator === "Relu")!.reason;
    expect(reasonOf(twice)).toBe("its input is also read without it");
    expect(await signalToNoise(twice)).toBeGreaterThan(28);
    for (const [operator, kernel] of [
      ["Relu", "QLinearMatMul"],
      ["Clip", "QLinearMatMul"],
    ] as const) {
      const read = [node("MatMul", ["x", "w"], "a"), node(operator, ["a"], "r"), node("Softmax", ["r"], "y")];
      const bytes = modelOf(read, tensors);
      const { model, nodes } = quantize(bytes, { known: { x: [-4, 4], r: [-4, 4] } });
      expect(nodes[1]).toMatchObject({ action: "quantized", reason: "done by quantizing to the range it leaves" });
      expect(await fusedOperators(model)).toContain(kernel);
    }
  });

  it("a Clip whose bounds leave out 0: a range always holds 0, so it would not clip there", async () => {
    const low = createTensor("low", "FP32", [], Float32Array.of(0.2));
    const bytes = modelOf(
      [node("MatMul", ["x", "w"], "a"), node("Clip", ["a", "low"], "c"), node("MatMul", ["c", "v"], "y")],
      [matrix("w"), matrix("v", [64, 64], 2), low],
    );
    expect(quantize(bytes).nodes[1]).toMatchObject({ action: "left", reason: "its bounds leave out 0" });
    expect(await signalToNoise(bytes)).toBeGreaterThan(28);
  });

  it("everything behind a Concat that mixes quantized and float values", async () => {
    const bytes = modelOf(
      [
        node("MatMul", ["x", "w"], "a"),
        node("Flatten", ["a"], "f"),
        node("Concat", ["f", "x"], "c", { axis: 1 }),
        node("Flatten", ["c"], "y"),
      ],
      [matrix("w")],
    );
    const left = quantize(bytes).nodes.slice(1);
    expect(left.map(({ reason }) => reason)).toEqual([
      "its output is read in float",
      "not all of its inputs are quantized",
      "its input is not quantized",
    ]);
    expect(await signalToNoise(bytes)).toBeGreaterThan(28);
  });
});

describe("static int8 of tables", () => {
  const table = matrix("t", [300, 32]);
  const lookedUp = (nodes: readonly Node[], tensors: readonly Tensor[], outputs = ["y"]) => {
    const graph = createModel({
      nodes: [createNode("Gather", ["t", "ids"], ["rows"], {}, { name: "look" }), ...nodes],
      initializers: [table, ...tensors],
      inputs: [createValueInfo("ids", "INT64", ["batch", 2])],
      outputs: outputs.map((name) => createValueInfo(name, "FP32", ["batch", -1])),
    });
    return serializeModel(graph);
  };
  const flat = createTensor("flat", "INT64", [2], BigInt64Array.of(-1n, 64n));
  const dense = [node("Reshape", ["rows", "flat"], "row"), node("MatMul", ["row", "w"], "y")];
  const ids = { ids: { dims: [16, 2], data: BigInt64Array.from({ length: 32 }, (_, at) => BigInt(at * 9)) } };
  const decibels = async (bytes: Uint8Array) => {
    const [reference, candidate] = [
      await runModel(bytes, ids),
      await runModel(quantize(bytes, { known: { row: [0, 0.4] } }).model, ids),
    ];
    return measureAgreement({ where: "m", reference, candidate, threshold: 0 }).signalToNoiseDb!;
  };

  it("looks up integers that the layer behind multiplies, with the table's own range and no float in between", async () => {
    const bytes = lookedUp(dense, [matrix("w"), flat]);
    expect(quantize(bytes, { known: { rows: [-9, 9], row: [-9, 9] } }).model).toEqual(quantize(bytes).model);
    const { model, nodes, sizeBytes } = quantize(bytes);
    expect(nodes.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      "look: table [300, 32] as uint8, one scale",
      "Reshape_row: works on uint8, with the scale of its input",
      "MatMul_y: weights [64, 64] as int8, one scale a channel, output in float",
    ]);
    expect(sizeBytes / bytes.length).toBeLessThan(0.3);
    expect((await fusedOperators(model)).join(" ")).toBe("Gather Reshape MatMulIntegerToFloat");
    expect(await decibels(bytes)).toBeGreaterThan(35);
  });

  it("gives what is read in float, or returned, or clipped, in float, and leaves a table that is read otherwise", async () => {
    const returned = lookedUp([...dense, node("Tanh", ["rows"], "z")], [matrix("w"), flat], ["y", "z", "rows"]);
    const clipped = lookedUp(
      [node("Relu", ["rows"], "r"), node("Reshape", ["r", "flat"], "row"), node("MatMul", ["row", "w"], "y")],
      [matrix("w"), flat],
    );
    for (const bytes of [returned, clipped]) expect(await decibels(bytes)).toBeGreaterThan(30);
    const reasonOf = (bytes: Uint8Array, name: string) => quantize(bytes).nodes.find((at) => at.name === name)?.reason;
    expect(reasonOf(clipped, "Relu_r")).toMatch(/its input is looked up/);
    const shared = lookedUp(
      [...dense, node("ReduceSum", ["t"], "s", { keepdims: 0 })],
      [matrix("w"), flat],
      ["y", "s"],
    );
    expect(reasonOf(shared, "look")).toMatch(/its weights are also read in float by ReduceSum/);
  });
});

describe("static int8 of unusual graphs", () => {
  it("folds a chain of clipping nodes, also behind one that moves values, and clips as they did", async () => {
    const bound = (name: string, value: number) => createTensor(name, "FP32", [], Float32Array.of(value));
    const bytes = modelOf(
      [
        node("MatMul", ["x", "w"], "a"),
        node("Flatten", ["a"], "f"),
        node("Clip", ["f", "low", "high"], "c"),
        node("Relu", ["c"], "r"),
        node("MatMul", ["r", "v"], "y"),
      ],
      [matrix("w"), matrix("v", [64, 64], 2), bound("low", -0.3), bound("high", 0.5)],
    );
    const known: Record<string, [number, number]> = { x: [-4, 4], r: [0, 0.5] };
    expect(operatorsOf(quantize(bytes, { known }).model)).not.toContain("Relu");
    expect(operatorsOf(quantize(bytes, { known }).model)).not.toContain("Clip");
    expect(await signalToNoise(bytes, known)).toBeGreaterThan(28);
  });

  it("quantizes a weight shared by two nodes once, and a value read in float too for its integer readers alone", async () => {
    const bytes = modelOf(
      [
        node("MatMul", ["x", "w"], "a"),
        node("Tanh", ["a"], "t"),
        node("MatMul", ["t", "w"], "b"),
        node("Add", ["b", "t"], "y"),
      ],
      [matrix("w")],
    );
    const { model } = quantize(bytes);
    const { nodes, initializers } = parseModel(model, "int8").graph!;
    expect(initializers.filter(({ name }) => name.startsWith("w")).map(({ name }) => name)).toEqual([
      "w_quantized",
      "w_scale",
    ]);
    expect(nodes.find(({ opType }) => opType === "Add")!.inputs).toEqual(["b", "t"]);
    expect(await signalToNoise(bytes, { t: [-1, 1] })).toBeGreaterThan(28);
  });

  it("keeps the name of a Conv's output that the graph returns, and of one a Relu made", async () => {
    const image = node("Unsqueeze", ["x", "axes"], "image");
    const axes = createTensor("axes", "INT64", [1], BigInt64Array.of(1n));
    const filter = matrix("w", [4, 1, 3]);
    const conv = node("Conv", ["image", "w"], "a");
    const bytes = serializeModel(
      createModel({
        nodes: [image, conv, node("Relu", ["a"], "y")],
        initializers: [axes, filter],
        inputs: [createValueInfo("x", "FP32", ["batch", 64])],
        outputs: [createValueInfo("y", "FP32", ["batch", 4, 62])],
      }),
    );
    const known: Record<string, [number, number]> = { image: [-4, 4], y: [0, 0.8] };
    const { model } = quantize(bytes, { known });
    expect(operatorsOf(model)).not.toContain("Relu");
    expect(await signalToNoise(bytes, known)).toBeGreaterThan(25);
    const feed = { x: { dims: [16, 64], data: normals(9, 1024) } };
    expect(Math.min(...(await runModel(model, feed)))).toBe(0);
  });

  it("leaves what a subgraph reads as it was", async () => {
    const branch = (name: string, nodes: Node[], output: string) =>
      createModel({ name, nodes, outputs: [createValueInfo(output, "FP32", ["batch", 64])] }).graph!;
    const then = branch("then", [createNode("Identity", ["r"], ["then_y"])], "then_y");
    const otherwise = branch("else", [createNode("Neg", ["r"], ["else_y"])], "else_y");
    const yes = createTensor("yes", "BOOL", [1], Uint8Array.of(1));
    const bytes = modelOf(
      [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "r"),
        node("MatMul", ["r", "v"], "b"),
        node("If", ["yes"], "c", { then_branch: { graph: then }, else_branch: { graph: otherwise } }),
        node("Add", ["b", "c"], "y"),
      ],
      [matrix("w"), matrix("v", [64, 64], 2), yes],
    );
    const reasons = quantize(bytes).nodes.map(({ reason }) => reason);
    expect(reasons[1]).toBe("its value is read inside a subgraph");
    expect(await signalToNoise(bytes)).toBeGreaterThan(28);
  });

  it("gives an all-zero activation scale 1, which divides nothing by zero", async () => {
    const zero = createTensor("zero", "FP32", [1], Float32Array.of(0));
    const bytes = modelOf(
      [node("Mul", ["x", "zero"], "o"), node("Gemm", ["o", "w", "b"], "y")],
      [matrix("w"), createTensor("b", "FP32", [64], normals(2, 64)), zero],
    );
    expect(await signalToNoise(bytes, { o: [0, 0] })).toBeGreaterThan(28);
  });

  it("asks for every range, and a missing one is a bug", () => {
    const bytes = modelOf([node("MatMul", ["x", "w"], "y")], [matrix("w")]);
    expect(valuesToCalibrate(bytes, "static-int8", "m")).toEqual(["x"]);
    expect(valuesToCalibrate(bytes, "dynamic-int8", "m")).toEqual([]);
    expect(() => quantizeModel(bytes, "static-int8", "m")).toThrow(TypeError);
  });
});
