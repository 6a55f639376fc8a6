import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { createModel, createNode, createTensor, createValueInfo } from "../../../core/onnx/create.ts";
import { parseModel, serializeModel, type Node, type Tensor } from "../../../core/onnx/model.ts";
import { measureAgreement } from "../../../core/quantization/agreement.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { runModel } from "../onnx/run-model.ts";
import { normals } from "./random-weights.ts";

const fixtures = new URL("../../fixtures/onnx/", import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, fixtures)));
export const source = read("static.onnx");
export const theirModel = read("static.int8.onnx");
export const fixture = JSON.parse(readFileSync(new URL("static.json", fixtures), "utf8")) as {
  readonly ranges: Record<string, [number, number]>;
  readonly quantized: Record<"full" | "reduced", Record<string, { dims: number[]; bytes: string }>>;
  readonly images: string;
  readonly probability: string;
};

/** Quantizes with ranges by name; values without one run from -3 to 3. */
export function quantize(bytes: Uint8Array, { reduceRange = false, known = fixture.ranges } = {}) {
  const ranges = new Map(
    valuesToCalibrate(bytes, "static-int8", "m.onnx").map((value) => {
      const [low, high] = known[value] ?? [-3, 3];
      return [value, { low, high }];
    }),
  );
  return quantizeModel(bytes, "static-int8", "m.onnx", { ranges, reduceRange });
}

export const operatorsOf = (model: Uint8Array) => parseModel(model, "m").graph!.nodes.map(({ opType }) => opType);

export async function fusedOperators(model: Uint8Array): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "modelwright-"));
  try {
    const optimizedModelFilePath = join(folder, "optimized.onnx");
    const options = { graphOptimizationLevel: "extended", optimizedModelFilePath, logSeverityLevel: 3 } as const;
    await (await InferenceSession.create(model, options)).release();
    return operatorsOf(new Uint8Array(readFileSync(optimizedModelFilePath)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const matrix = (name: string, dims: readonly number[] = [64, 64], seed = 1) =>
  createTensor(
    name,
    "FP32",
    dims,
    normals(
      seed,
      dims.reduce((a, b) => a * b, 1),
      0.1,
    ),
  );

export function modelOf(nodes: readonly Node[], tensors: readonly Tensor[], { outputs = ["y"], opset = 17 } = {}) {
  return serializeModel(
    createModel(
      {
        nodes: [...nodes],
        initializers: [...tensors],
        inputs: [createValueInfo("x", "FP32", ["batch", 64])],
        outputs: outputs.map((name) => createValueInfo(name, "FP32", ["batch", -1])),
      },
      { opset },
    ),
  );
}
export const node = (
  operator: string,
  inputs: string[],
  output: string,
  attributes: Parameters<typeof createNode>[3] = {},
) => createNode(operator, inputs, [output], attributes, { name: `${operator}_${output}` });

/** Runs fp32 and int8 on the same rows. */
export async function signalToNoise(bytes: Uint8Array, known: Record<string, [number, number]> = {}) {
  const feed = { x: { dims: [16, 64], data: normals(9, 1024) } };
  const [reference, candidate] = [
    await runModel(bytes, feed),
    await runModel(quantize(bytes, { known: { x: [-4, 4], ...known } }).model, feed),
  ];
  return measureAgreement({ where: "m", reference, candidate, threshold: 0 }).signalToNoiseDb!;
}
