import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openSession } from "../../../adapters/inference/session.ts";
import type { Tensor } from "../../../contracts/data.ts";
import { createModel, createNode, createTensor, createValueInfo } from "../../../core/onnx/create.ts";
import { parseModel, serializeModel, type OnnxModel } from "../../../core/onnx/model.ts";
import { integerProducts } from "../../../core/quantization/integer-layers.ts";
import { observeValues } from "../../../core/quantization/observe.ts";
import { quantizeModel } from "../../../core/quantization/quantize.ts";
import { measureSaturationOnData } from "../../../core/quantization/saturation.ts";
import { normals } from "./random-weights.ts";

const LARGEST = 32_767;
const random = (seed: number, count: number, from: number, to: number) =>
  Array.from(normals(seed, count, 1), (value) => {
    const share = Math.abs(value) % 1;
    return Math.round(from + share * (to - from));
  });

/** A quantized Conv as static-int8 writes it, with scales of 1: integers are all that matters here. */
function quantizedConv(weights: Int8Array, dims: readonly number[], attributes: Record<string, number | number[]>) {
  const one = (name: string) => createTensor(name, "FP32", [], Float32Array.of(1));
  return createModel({
    nodes: [
      createNode("DequantizeLinear", ["x", "xs"], ["xf"]),
      createNode("DequantizeLinear", ["w", "ws"], ["wf"]),
      createNode("Conv", ["xf", "wf"], ["y"], attributes, { name: "conv" }),
    ],
    inputs: [createValueInfo("x", "UINT8", [-1, -1, -1, -1])],
    outputs: [createValueInfo("y", "FP32", [-1, -1, -1, -1])],
    initializers: [one("xs"), one("ws"), createTensor("w", "INT8", dims, weights)],
  });
}

describe("saturation on data", () => {
  it.each([
    { channels: 4, group: 1, dilations: [1, 1] },
    { channels: 3, group: 1, dilations: [1, 2] },
    { channels: 4, group: 2, dilations: [2, 1] },
  ])("of a Conv is what adding neighbouring products filter by filter finds: %j", ({ channels, group, dilations }) => {
    const [rows, height, width, outputs] = [2, 6, 7, 4];
    const each = channels / group;
    const weights = Int8Array.from(random(1, outputs * each * 6, -127, 127));
    const x = Uint8Array.from(random(2, rows * channels * height * width, 100, 255));
    const model = quantizedConv(weights, [outputs, each, 2, 3], { group, dilations });
    let pairCount = 0;
    let overflows = 0;
    for (let row = 0; row < rows; row++) {
      for (let output = 0; output < outputs; output++) {
        for (let top = 0; top + dilations[0]! < height; top++) {
          for (let left = 0; left + 2 * dilations[1]! < width; left++) {
            const products: number[] = [];
            for (let tapRow = 0; tapRow < 2; tapRow++) {
              for (let tapColumn = 0; tapColumn < 3; tapColumn++) {
                for (let channel = 0; channel < each; channel++) {
                  const weight = weights[((output * each + channel) * 2 + tapRow) * 3 + tapColumn]!;
                  const from = Math.floor(output / (outputs / group)) * each + channel;
                  const [y, z] = [top + tapRow * dilations[0]!, left + tapColumn * dilations[1]!];
                  products.push(weight * x[((row * channels + from) * height + y) * width + z]!);
                }
              }
            }
            for (let at = 0; at < products.length; at += 2) {
              const sum = products[at]! + (products[at + 1] ?? 0);
              pairCount++;
              if (sum > LARGEST || sum < -LARGEST - 1) overflows++;
            }
          }
        }
      }
    }
    const activation: Tensor = { name: "x", datatype: "UINT8", shape: [rows, channels, height, width], data: x };
    const found = measureSaturationOnData(model, new Map([["x", activation]]));
    expect(overflows).toBeGreaterThan(20);
    expect(found.pairCount).toBe(pairCount);
    expect(found.overflowShare).toBeCloseTo(overflows / pairCount, 12);
    expect(found.worst?.layer).toBe("conv");
  });

  it("takes int8 activations as the kernel does, shifted by 128", () => {
    const model = createModel({
      nodes: [createNode("MatMulInteger", ["x", "w"], ["y"], {}, { name: "dense" })],
      inputs: [createValueInfo("x", "INT8", [-1, 2])],
      outputs: [createValueInfo("y", "INT32", [-1, 1])],
      initializers: [createTensor("w", "INT8", [2, 1], Int8Array.of(127, 127))],
    });
    const measure = (...data: number[]) =>
      measureSaturationOnData(
        model,
        new Map([["x", { name: "x", datatype: "INT8", shape: [1, 2], data: Int8Array.from(data) }]]),
      ).overflowShare;
    // (1 + 128 + 1 + 128) * 127 = 32766, and 127 more.
    expect(measure(1, 1)).toBe(0);
    expect(measure(2, 1)).toBe(1);
  });

  it("is measured on the values inside a model, an LSTM's state and both its directions included", async () => {
    const bytes = new Uint8Array(readFileSync(new URL("../../fixtures/onnx/lstm.onnx", import.meta.url)));
    const { model } = quantizeModel(bytes, "dynamic-int8", "lstm");
    const parsed: OnnxModel = parseModel(model, "lstm");
    const products = integerProducts(parsed);
    const values = [...new Set(products.map(({ activation }) => activation))];
    const observed = observeValues(model, values, "elements", "lstm");
    const session = await openSession({ model: serializeModel(observed.model), digest: null, isOptimized: false });
    const inputs = parsed.graph!.inputs.map(({ name, type }): Tensor => {
      const shape = type!.tensor!.shape!.dims.map(({ value }) => value ?? 3);
      const data = normals(
        4,
        shape.reduce((product, size) => product * size, 1),
        1,
      );
      return { name, datatype: "FP32", shape, data };
    });
    const outputs = new Map((await session.run(inputs)).map((tensor) => [tensor.name, tensor]));
    await session.close();
    const activations = new Map(values.map((value, at) => [value, outputs.get(observed.outputs[at]![0]!)!]));
    for (const { activation, weights, depth, locate } of products) {
      const { bases, offsets } = locate(activations.get(activation)!.shape);
      expect(bases.length).toBeGreaterThan(0);
      expect(offsets).toHaveLength(depth);
      expect(weights.length % depth).toBe(0);
      expect(Math.max(...bases) + offsets.at(-1)!).toBeLessThan(activations.get(activation)!.data.length);
    }
    const found = measureSaturationOnData(parsed, activations);
    expect(found.pairCount).toBeGreaterThan(1000);
    expect(found.overflowShare).toBeLessThan(0.2);
  });

  it("of weights within 7 bits is none", () => {
    const weights = Int8Array.from(random(1, 4 * 4 * 6, -64, 64));
    const x = Uint8Array.from(random(2, 4 * 6 * 7, 200, 255));
    const activation: Tensor = { name: "x", datatype: "UINT8", shape: [1, 4, 6, 7], data: x };
    const model = parseModel(serializeModel(quantizedConv(weights, [4, 4, 2, 3], {})), "m");
    expect(measureSaturationOnData(model, new Map([["x", activation]])).overflowShare).toBe(0);
  });
});
