import type { Tensor } from "../contracts/data.ts";
import { modelSignatureSchema, type ModelSignature } from "../contracts/signature.ts";
import { buildGraph } from "../core/onnx/build.ts";
import { serializeModel } from "../core/onnx/model.ts";
import { createRandom } from "../core/stats/random.ts";

const AIRPORTS = 300;
const WIDTH = 8;
const HIDDEN = 64;

/** A small tabular model of the usual kind: two embeddings and four numbers into a hidden layer. */
export const BENCH_SIGNATURE: ModelSignature = modelSignatureSchema.parse({
  inputs: [
    ...["origin", "destination"].map((name) => ({
      name: `${name}_code`,
      datatype: "INT64",
      shape: [-1],
      features: [{ kind: "category", column: name, vocabulary: Array.from({ length: AIRPORTS }, (_, i) => `A${i}`) }],
    })),
    {
      name: "numbers",
      datatype: "FP32",
      shape: [-1, 4],
      features: ["hour", "weekday", "distance", "month"].map((column) => ({ kind: "number", column })),
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});

export function benchModel(): Uint8Array {
  const random = createRandom(1);
  const weights = (count: number) => Float32Array.from({ length: count }, () => random.uniform() - 0.5);
  const graph = buildGraph("bench");
  const origin = graph.input("origin_code", "INT64", ["batch"]);
  const destination = graph.input("destination_code", "INT64", ["batch"]);
  const numbers = graph.input("numbers", "FP32", ["batch", 4]);
  const table = (name: string) => graph.floats(name, [AIRPORTS, WIDTH], weights(AIRPORTS * WIDTH));
  const embedded = [
    graph.add("Gather", [table("origins"), origin]),
    graph.add("Gather", [table("destinations"), destination]),
  ];
  const row = graph.add("Concat", [...embedded, numbers], { axis: 1 });
  const width = 2 * WIDTH + 4;
  const hidden = graph.add("Relu", [
    graph.add("Gemm", [
      row,
      graph.floats("w1", [width, HIDDEN], weights(width * HIDDEN)),
      graph.floats("b1", [HIDDEN], weights(HIDDEN)),
    ]),
  ]);
  const score = graph.add("Gemm", [
    hidden,
    graph.floats("w2", [HIDDEN, 1], weights(HIDDEN)),
    graph.floats("b2", [1], weights(1)),
  ]);
  graph.add("Sigmoid", [score], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

/** One row, encoded. */
export function benchRow(signature: ModelSignature): Tensor[] {
  return signature.inputs.map(({ name, datatype, shape }) =>
    datatype === "INT64"
      ? { name, datatype, shape: [1], data: new BigInt64Array([17n]) }
      : { name, datatype, shape: [1, ...shape.slice(1)], data: new Float32Array([0.25, -1, 1.5, 0.75]) },
  );
}
