import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { modelSignatureSchema, type ModelSignature } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { createRandom } from "../../../core/stats/random.ts";

const AIRPORTS = ["ABQ", "BOS", "CVG", "DEN"];

export const signature: ModelSignature = modelSignatureSchema.parse({
  inputs: [
    {
      name: "origin",
      datatype: "INT64",
      shape: [-1],
      features: [{ kind: "category", column: "origin", vocabulary: AIRPORTS }],
    },
    {
      name: "numbers",
      datatype: "FP32",
      shape: [-1, 2],
      features: [
        { kind: "number", column: "hour", mean: 12, deviation: 6 },
        { kind: "number", column: "distance", mean: 700, deviation: 500 },
      ],
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});

interface Options {
  readonly seed?: number;
  /** Width of the hidden layers; 256 gives the quantizer something to do. */
  readonly width?: number;
  /** Last operator: `Sigmoid` gives probabilities, `Identity` logits. */
  readonly last?: "Sigmoid" | "Identity";
  /** Size of the batch axis; a number fixes it. */
  readonly batch?: string | number;
}

/** A network with an airport embedding and random weights: real arithmetic, no skill. */
export function buildModel({ seed = 1, width = 8, last = "Sigmoid", batch = "batch" }: Options = {}): Uint8Array {
  const random = createRandom(seed);
  const weights = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random.normal());
  const graph = buildGraph("small");
  const origin = graph.input("origin", "INT64", [batch]);
  const numbers = graph.input("numbers", "FP32", [batch, 2]);
  const table = graph.floats("embedding", [AIRPORTS.length, 4], weights(AIRPORTS.length * 4, 1));
  let row = graph.add("Concat", [graph.add("Gather", [table, origin]), numbers], { axis: 1 });
  for (const [index, size] of [6, width].entries()) {
    const matrix = graph.floats(`w${index}`, [size, width], weights(size * width, 1 / Math.sqrt(size)));
    row = graph.add("Relu", [graph.add("MatMul", [row, matrix])]);
  }
  const score = graph.add("MatMul", [row, graph.floats("w_out", [width, 1], weights(width, 2 / Math.sqrt(width)))]);
  graph.add(last, [score], {}, { output: "probability" });
  graph.output("probability", "FP32", [batch, 1]);
  return serializeModel(graph.model());
}

export const digestOf = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

export async function writeModel(directory: string, name: string, options: Options = {}) {
  const bytes = buildModel(options);
  const path = join(directory, name);
  await writeFile(path, bytes);
  return { path, digest: digestOf(bytes), signature };
}

/** CSV rows with the model's columns and a label that depends on the hour. */
export async function writeFlights(directory: string, rowCount: number, name = "flights.csv") {
  const random = createRandom(3);
  const lines = ["origin,hour,distance,late,weekday"];
  for (let row = 0; row < rowCount; row++) {
    const hour = Math.floor(random.uniform() * 24);
    const late = random.uniform() < hour / 40 ? 1 : 0;
    lines.push(
      `${AIRPORTS[random.integer(4)]!},${hour},${Math.floor(200 + 1000 * random.uniform())},${late},${row % 7}`,
    );
  }
  const text = `${lines.join("\n")}\n`;
  const path = join(directory, name);
  await writeFile(path, text);
  return { path, digest: digestOf(text) };
}
