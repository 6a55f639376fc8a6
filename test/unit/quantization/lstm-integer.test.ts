import { describe, expect, it } from "vitest";
import { buildGraph } from "../../../core/onnx/build.ts";
import { parseModel, serializeModel, type OnnxModel } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";

const HIDDEN = 128;
const STEPS = 6;

/** Eight values a step, as a sensor gives them: a row of the input weights has 8. */
function sequenceModel({ inputs = 8, hidden = HIDDEN, directions = 1, deviation = 0.2 } = {}): Uint8Array {
  const gates = 4 * hidden;
  const graph = buildGraph("sequence");
  const x = graph.input("x", "FP32", ["steps", "batch", inputs]);
  const weights = [
    graph.floats("w", [directions, gates, inputs], normals(1, directions * gates * inputs, deviation)),
    graph.floats("r", [directions, gates, hidden], normals(2, directions * gates * hidden, 0.05)),
    graph.floats("b", [directions, 2 * gates], normals(3, directions * 2 * gates, 0.1)),
  ];
  const direction = directions === 2 ? "bidirectional" : "forward";
  const all = graph.add("LSTM", [x, ...weights], { hidden_size: hidden, direction }, { output: "y", name: "lstm" });
  graph.output(all, "FP32", ["steps", directions, "batch", hidden]);
  return serializeModel(graph.model());
}

const feedOf = (inputs = 8) => ({ x: { dims: [STEPS, 16, inputs], data: normals(4, STEPS * 16 * inputs) } });
const quantize = (bytes: Uint8Array, options = {}) => quantizeModel(bytes, "dynamic-int8", "lstm", options).model;
const initializersOf = (bytes: Uint8Array) =>
  new Map(parseModel(bytes, "m").graph!.initializers.map(({ name, dims }) => [name, dims]));

describe("an LSTM of 128 units with 8 inputs in integers", () => {
  const bytes = sequenceModel();
  const model = quantize(bytes);

  it("is at most 0.27 of fp32's size, though each of its rows has two scales and a bias", () => {
    expect(model.length / bytes.length).toBeLessThan(0.27);
  });

  it.each(["disabled", "basic", "all"] as const)("is near fp32 at optimisation level %s", async (level) => {
    const reference = await runModel(bytes, feedOf());
    const candidate = await runModel(model, feedOf(), level);
    expect(measureAgreement({ where: "m", reference, candidate, threshold: 0 }).signalToNoiseDb).toBeGreaterThan(35);
  });

  it("has the scales of its short rows in half precision, and those of the long ones as they are", () => {
    const found = initializersOf(model);
    expect(found.get("w_scale_half")).toEqual([1, 4 * HIDDEN]);
    expect(found.get("r_scale")).toEqual([1, 4 * HIDDEN]);
    expect([found.has("w_scale"), found.has("r_scale_half")]).toEqual([false, false]);
  });

  it("keeps all bits of scales that half precision has too few for, or that it would not make smaller", () => {
    const tiny = initializersOf(quantize(sequenceModel({ deviation: 0.0005 })));
    expect([tiny.has("w_scale"), tiny.has("w_scale_half")]).toEqual([true, false]);
    const single = initializersOf(quantize(bytes, { perChannel: false }));
    expect([single.get("w_scale"), single.has("w_scale_half")]).toEqual([[1], false]);
  });

  it.each([{ inputs: 9 }, { hidden: 153 }])(
    "keeps all bits of scales that are few beside their weights: %j",
    (size) => {
      expect(initializersOf(quantize(sequenceModel(size))).has("w_scale")).toBe(true);
    },
  );
});

/** The same with its biases as they were, where a pad makes them of their sums. */
function withOwnBiases(model: Uint8Array, source: Uint8Array): Uint8Array {
  const made: OnnxModel = parseModel(model, "m");
  const bias = parseModel(source, "m").graph!.initializers.find(({ name }) => name === "b")!;
  const graph = made.graph!;
  graph.nodes = graph.nodes.filter(({ opType }) => opType !== "Pad");
  graph.initializers = [...graph.initializers.filter(({ name }) => !name.startsWith("b_")), bias];
  return serializeModel(made);
}

it.each([1, 2])(
  "stores sums of biases alone, which change no bit of what it computes, in %i directions",
  async (directions) => {
    const source = sequenceModel({ directions, inputs: 20 });
    const model = quantize(source);
    expect(initializersOf(model).get("b_sum")).toEqual([directions, 4 * HIDDEN]);
    const apart = withOwnBiases(model, source);
    expect(apart.length - model.length).toBeGreaterThan(directions * 4 * HIDDEN * 4 - 150);
    for (const level of ["disabled", "all"] as const)
      expect(await runModel(model, feedOf(20), level)).toEqual(await runModel(apart, feedOf(20), level));
  },
);
