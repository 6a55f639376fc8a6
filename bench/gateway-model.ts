import type { Tensor } from "../contracts/data.ts";
import { modelSignatureSchema, type ModelSignature } from "../contracts/signature.ts";
import { buildGraph } from "../core/onnx/build.ts";
import { createModel, createNode, createValueInfo } from "../core/onnx/create.ts";
import { serializeModel } from "../core/onnx/model.ts";
import { createRandom } from "../core/stats/random.ts";

const AIRPORTS = 300;
const WIDTH = 8;
const HIDDEN = 64;

/** Each model answers with one probability a row. */
function signatureOf(inputs: readonly unknown[]): ModelSignature {
  return modelSignatureSchema.parse({
    inputs,
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label: "late",
    prediction: { kind: "binary", output: "probability" },
  });
}

/** A small tabular model of the usual kind: two embeddings and four numbers into a hidden layer. */
const TABULAR = signatureOf([
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
]);

function tabularModel(): Uint8Array {
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

const SIDE = 224;
const CHANNELS = 8;

/** An image of the usual size into one convolution: what is measured is how its 600 KB travel. */
const IMAGE = signatureOf([
  {
    name: "image",
    datatype: "FP32",
    shape: [-1, 3, SIDE, SIDE],
    features: [{ kind: "tensor", column: "pixels" }],
  },
]);

function imageModel(): Uint8Array {
  const random = createRandom(2);
  const weights = (count: number) => Float32Array.from({ length: count }, () => random.uniform() - 0.5);
  const graph = buildGraph("image");
  const image = graph.input("image", "FP32", ["batch", 3, SIDE, SIDE]);
  const kernel = graph.floats("kernel", [CHANNELS, 3, 7, 7], weights(CHANNELS * 3 * 49));
  const convolved = graph.add("Relu", [graph.add("Conv", [image, kernel], { strides: [4, 4] })]);
  const pooled = graph.add("Flatten", [graph.add("GlobalAveragePool", [convolved])]);
  const score = graph.add("Gemm", [pooled, graph.floats("w", [CHANNELS, 1], weights(CHANNELS))]);
  graph.add("Sigmoid", [score], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

const FEATURES = 20;
const TREES = 200;
const DEPTH = 6;

/** Boosted trees, which most tabular models are: 200 of 63 splits each. */
const BOOSTED = signatureOf([
  {
    name: "numbers",
    datatype: "FP32",
    shape: [-1, FEATURES],
    features: Array.from({ length: FEATURES }, (_, i) => ({ kind: "number", column: `x${i}` })),
  },
]);

/** Each tree is whole: node `n` has the children `2n + 1` and `2n + 2`. */
function boostedModel(): Uint8Array {
  const random = createRandom(3);
  const splits = 2 ** DEPTH - 1;
  const nodes = Array.from({ length: TREES * (2 * splits + 1) }, (_, at) => {
    const tree = Math.floor(at / (2 * splits + 1));
    const id = at % (2 * splits + 1);
    return { tree, id, isLeaf: id >= splits };
  });
  const leaves = nodes.filter(({ isLeaf }) => isLeaf);
  const ensemble = createNode(
    "TreeEnsembleRegressor",
    ["numbers"],
    ["margin"],
    {
      n_targets: 1,
      nodes_treeids: nodes.map(({ tree }) => tree),
      nodes_nodeids: nodes.map(({ id }) => id),
      nodes_featureids: nodes.map(({ isLeaf }) => (isLeaf ? 0 : random.integer(FEATURES))),
      nodes_modes: nodes.map(({ isLeaf }) => (isLeaf ? "LEAF" : "BRANCH_LEQ")),
      nodes_values: { floats: nodes.map(({ isLeaf }) => (isLeaf ? 0 : 2 * random.uniform() - 1)) },
      nodes_truenodeids: nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 1)),
      nodes_falsenodeids: nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 2)),
      target_treeids: leaves.map(({ tree }) => tree),
      target_nodeids: leaves.map(({ id }) => id),
      target_ids: leaves.map(() => 0),
      target_weights: { floats: leaves.map(() => (random.uniform() - 0.5) / 10) },
    },
    { domain: "ai.onnx.ml" },
  );
  const model = createModel({
    name: "boosted",
    nodes: [ensemble, createNode("Sigmoid", ["margin"], ["probability"])],
    inputs: [createValueInfo("numbers", "FP32", ["batch", FEATURES])],
    outputs: [createValueInfo("probability", "FP32", ["batch", 1])],
  });
  return serializeModel({ ...model, opsetImports: [...model.opsetImports, { domain: "ai.onnx.ml", version: 3 }] });
}

/** The models under load, by the name they are served as. */
export const BENCH_MODELS = {
  tabular: { signature: TABULAR, bytes: tabularModel },
  boosted: { signature: BOOSTED, bytes: boostedModel },
  image: { signature: IMAGE, bytes: imageModel },
} as const;
export type BenchModelName = keyof typeof BENCH_MODELS;

/** Random rows, encoded: their numbers are singles of 24 bits, which in JSON are 17 digits each as from any client that writes doubles. */
export function benchRows(signature: ModelSignature, rowCount: number): Tensor[] {
  const random = createRandom(rowCount);
  return signature.inputs.map(({ name, datatype, shape }) => {
    const sizes = [rowCount, ...shape.slice(1)];
    const count = sizes.reduce((product, size) => product * size, 1);
    return datatype === "INT64"
      ? {
          name,
          datatype,
          shape: sizes,
          data: BigInt64Array.from({ length: count }, () => BigInt(random.integer(AIRPORTS))),
        }
      : { name, datatype, shape: sizes, data: Float32Array.from({ length: count }, () => 2 * random.uniform() - 1) };
  });
}
