import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { QUANTIZATION_PASSES } from "../../../contracts/names.ts";
import { quantizationOptionsSchema } from "../../../contracts/optimization.ts";
import { parseModel, serializeModel, type OnnxModel } from "../../../core/onnx/model.ts";
import type { QuantizationPass } from "../../../core/quantization/pass.ts";
import { quantizationPass, quantizationPasses } from "../../../core/quantization/registry.ts";

const mlp = new Uint8Array(readFileSync(new URL("../../fixtures/onnx/mlp.onnx", import.meta.url)));
const storage = new Uint8Array(readFileSync(new URL("../../fixtures/onnx/storage.onnx", import.meta.url)));

const options = quantizationOptionsSchema.parse({});

/** Runs a pass with a range for every value it asks for. */
const rewrite = (pass: QuantizationPass, model: OnnxModel) => {
  const values = pass.calibrated?.(parseModel(serializeModel(model), "m"), options) ?? [];
  const ranges = new Map(values.map((value) => [value, { low: -1, high: 1 }]));
  return pass.rewrite(model, { ranges, original: parseModel(serializeModel(model), "m"), ...options });
};

/** What every pass promises, whatever it does. */
describe.each(quantizationPasses.map((pass) => [pass.name, pass] as const))("quantization pass %s", (name, pass) => {
  it("is found by its declared name and describes itself", () => {
    expect(quantizationPass(name)).toBe(pass);
    expect(pass.description).not.toBe("");
    expect(pass.operators).not.toEqual([]);
  });

  it("reports once on every node of its operators", () => {
    const model = parseModel(mlp, "mlp");
    const constants = new Set(model.graph!.initializers.map((tensor) => tensor.name));
    const looked = model
      .graph!.nodes.filter(({ opType, inputs }) =>
        pass.operators === "constant-readers"
          ? inputs.some((input) => constants.has(input))
          : pass.operators === "every" || pass.operators.includes(opType),
      )
      .map((node) => node.name);
    const reported = rewrite(pass, model);
    expect(reported.map((action) => action.name)).toEqual(looked);
    for (const { reason } of reported) expect(reason).not.toBe("");
  });

  it("gives the same bytes for the same model", () => {
    const [first, second] = [parseModel(mlp, "mlp"), parseModel(mlp, "mlp")];
    rewrite(pass, first);
    rewrite(pass, second);
    expect(Buffer.from(serializeModel(first)).equals(serializeModel(second))).toBe(true);
  });

  it("leaves a model alone that it can do nothing for", () => {
    const model = parseModel(storage, "storage");
    const used = ["starts", "ends"];
    model.graph!.initializers = model.graph!.initializers.filter((tensor) => used.includes(tensor.name));
    const before = serializeModel(model);
    expect(rewrite(pass, model).filter(({ action }) => action !== "left")).toEqual([]);
    expect(Buffer.from(serializeModel(model)).equals(before)).toBe(true);
  });
});

it("has every declared pass, in the order of declaration", () => {
  expect(quantizationPasses.map(({ name }) => name)).toEqual([...QUANTIZATION_PASSES]);
});
