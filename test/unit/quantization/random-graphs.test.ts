import * as fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, it } from "vitest";
import { isFailure } from "../../../contracts/failures.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { observeValues } from "../../../core/quantization/observe.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";
import { quantizationPasses } from "../../../core/quantization/registry.ts";
import { normals } from "./random-weights.ts";

const WIDTH = 48;
const OPERATORS = [
  "Gemm",
  "Gemm",
  "MatMul",
  "Relu",
  "Clip",
  "Above",
  "Tanh",
  "Flatten",
  "Add",
  "Concat",
  "Reshape",
  "Slim",
  "LookUp",
] as const;
const LAYERS = ["Gemm", "MatMul", "Gather"];
const rows = { dims: [32, WIDTH], data: normals(77, 32 * WIDTH) };

interface Step {
  readonly operator: (typeof OPERATORS)[number];
  /** Which of the values made so far it reads, counted from the last. */
  readonly back: number;
  readonly isReturned: boolean;
}

/** A network of random layers, branches and returned values; every value has 48 columns. */
function buildNetwork(steps: readonly Step[]): Uint8Array {
  const graph = buildGraph("random");
  const values = [graph.input("x", "FP32", ["batch", WIDTH])];
  const returned: string[] = [];
  const weights = (name: string, ...dims: number[]) =>
    graph.floats(
      name,
      dims,
      normals(
        name.length + values.length,
        dims.reduce((a, b) => a * b, 1),
        1 / Math.sqrt(WIDTH),
      ),
    );
  const zero = graph.floats("zero", [], [0]);
  const six = graph.floats("six", [], [6]);
  for (const [index, { operator, back, isReturned }] of steps.entries()) {
    const from = values.at(-1 - (back % values.length))!;
    const last = values.at(-1)!;
    const make = (): string => {
      if (operator === "Gemm") {
        return graph.add("Gemm", [from, weights(`w${index}`, WIDTH, WIDTH), weights(`b${index}`, WIDTH)], {
          transB: index % 2,
        });
      }
      if (operator === "MatMul") return graph.add("MatMul", [from, weights(`w${index}`, WIDTH, WIDTH)]);
      if (operator === "Clip") return graph.add("Clip", [from, zero, six]);
      // Its lower bound is not 0.
      if (operator === "Above") return graph.add("Clip", [from, graph.floats(`low${index}`, [], [-0.3]), six]);
      if (operator === "Add") return graph.add("Add", [last, from]);
      if (operator === "Reshape") return graph.add("Reshape", [from, graph.integers(`s${index}`, [2], [0, WIDTH])]);
      if (operator === "Concat") {
        const wide = graph.add("Concat", [last, from], { axis: 1 });
        return graph.add("Gemm", [wide, weights(`w${index}`, 2 * WIDTH, WIDTH)]);
      }
      // By the input, which is the same float on both sides: another row would be no noise.
      if (operator === "LookUp") {
        const place = graph.add("ArgMax", ["x"], { axis: 1, keepdims: 0 });
        return graph.add("Gather", [weights(`t${index}`, WIDTH, WIDTH), place]);
      }
      // Few weights: passes leave it.
      if (operator === "Slim") {
        return graph.add("Add", [from, graph.add("MatMul", [from, weights(`w${index}`, WIDTH, 1)])]);
      }
      return graph.add(operator, [from]);
    };
    const made = make();
    values.push(made);
    if (isReturned) returned.push(made);
  }
  const last = values.at(-1)!;
  graph.add("Tanh", [last], {}, { output: "y" });
  for (const name of ["y", ...returned]) graph.output(name, "FP32", ["batch", WIDTH]);
  return serializeModel(graph.model());
}

async function run(model: Uint8Array, level: "disabled" | "all") {
  const session = await InferenceSession.create(model, {
    graphOptimizationLevel: level,
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const results = await session.run({ x: new Tensor("float32", rows.data, rows.dims) });
  await session.release();
  return new Map(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

type PassName = (typeof quantizationPasses)[number]["name"];

/** The settings of a pass for a model, its ranges learned on the rows. */
async function calibrated(bytes: Uint8Array, pass: PassName) {
  const values = valuesToCalibrate(bytes, pass, "m");
  const observed = observeValues(bytes, values, "range", "m");
  const results = await run(serializeModel(observed.model), "all");
  const bounds = observed.outputs.map((names) => names.map((name) => results.get(name)![0]!));
  const ranges = new Map(values.map((value, at) => [value, { low: bounds[at]![0]!, high: bounds[at]![1]! }]));
  // 7 bits: no processor saturates, so that the bound below holds on all of them.
  return { ranges, reduceRange: true };
}

/** Undefined where there is nothing to quantize. */
function quantize(...[bytes, pass, settings]: [Uint8Array, PassName, Parameters<typeof quantizeModel>[3]]) {
  try {
    return quantizeModel(bytes, pass, "m", settings);
  } catch (thrown) {
    if (!isFailure(thrown) || thrown.code !== "QUANTIZATION_UNSUPPORTED") throw thrown;
    return undefined;
  }
}

const steps = fc.array(
  fc.record({
    operator: fc.constantFrom(...OPERATORS),
    back: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, 4),
    isReturned: fc.nat(11).map((value) => value === 0),
  }),
  { minLength: 3, maxLength: 12 },
);

it.each(quantizationPasses.map(({ name }) => name))(
  "%s makes of any network one that loads, returns the same values by name, and stays near fp32",
  async (pass) => {
    await fc.assert(
      fc.asyncProperty(steps, async (layers) => {
        const bytes = buildNetwork(layers);
        const settings = await calibrated(bytes, pass);
        const quantized = quantize(bytes, pass, settings);
        if (quantized === undefined) return;
        const { model, nodes } = quantized;
        // The search leaves any of the layers with weights in float, with the ranges it has.
        const taken = nodes
          .filter(({ action, operator }) => action === "quantized" && LAYERS.includes(operator))
          .map(({ name }) => name);
        for (const name of taken) quantize(bytes, pass, { ...settings, nodesToExclude: [name] });
        expect(inspectModel(model, "m").outputs).toEqual(inspectModel(bytes, "m").outputs);
        const reference = await run(bytes, "disabled");
        for (const level of ["disabled", "all"] as const) {
          for (const [name, values] of await run(model, level)) {
            const expected = reference.get(name)!;
            const noise = values.reduce((sum, value, at) => sum + (value - expected[at]!) ** 2, 0);
            const signal = expected.reduce((sum, value) => sum + value ** 2, 0);
            expect(10 * Math.log10((signal + 1e-9) / (noise + 1e-9))).toBeGreaterThan(
              pass === "weight-only-int4" ? 3 : 14,
            );
          }
        }
      }),
      { numRuns: 25, seed: 4 },
    );
  },
  60_000,
);
