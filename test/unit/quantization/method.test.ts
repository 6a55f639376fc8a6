import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { QuantizationPassName } from "../../../contracts/names.ts";
import type { QuantizationOptions } from "../../../contracts/optimization.ts";
import { METHOD_VERSION } from "../../../core/quantization/method.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/onnx/${name}`, import.meta.url));

const MADE: readonly (readonly [string, QuantizationPassName, Partial<QuantizationOptions>])[] = [
  ["mlp.onnx", "store-f16", {}],
  ["mlp.onnx", "store-int8", {}],
  ["mlp.onnx", "dynamic-int8", {}],
  ["mlp.onnx", "weight-only-int4", { isSymmetric: false }],
  ["lstm.onnx", "dynamic-int8", {}],
  ["lstm.onnx", "dynamic-int8", { perChannel: false, reduceRange: true }],
  ["joined.onnx", "static-int8", {}],
  ["joined.onnx", "static-int8", { activationType: "QInt8", perChannel: false }],
];

it("the passes write the bytes of this version of the method: raise METHOD_VERSION where they are to be others", async () => {
  const digests = MADE.map(([source, pass, options]) => {
    const bytes = fixture(source);
    const values = valuesToCalibrate(bytes, pass, source, options);
    const ranges = new Map(values.map((value, at) => [value, { low: -1 - at / 8, high: 2 + at / 4 }]));
    const { model } = quantizeModel(bytes, pass, source, { ...options, ranges });
    return [
      `${source} by ${pass} ${JSON.stringify(options)}`,
      createHash("sha256").update(model).digest("hex"),
    ] as const;
  });
  const written = JSON.stringify({ method: METHOD_VERSION, digests: Object.fromEntries(digests) }, null, 2);
  await expect(`${written}\n`).toMatchFileSnapshot("../../fixtures/onnx/method.json");
});
