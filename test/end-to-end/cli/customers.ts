import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelSignatureInput } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { createRandom } from "../../../core/stats/random.ts";

/** Customers who leave the more often the older they are: a model that knows this, and data it is right about. */
const signature: ModelSignatureInput = {
  inputs: [
    {
      name: "features",
      datatype: "FP32",
      shape: [-1, 2],
      features: [
        { kind: "number", column: "age", mean: 45, deviation: 13 },
        { kind: "category", column: "plan", vocabulary: ["basic", "plus"] },
      ],
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "left",
  prediction: { kind: "binary", output: "probability" },
};

/** Writes train.csv, test.csv, moved.csv (twelve years older), model.onnx, signature.json and another model without one. */
export async function writeCustomers(directory: string): Promise<void> {
  const write = (name: string, content: string | Uint8Array) => writeFile(join(directory, name), content);
  await Promise.all([
    write("train.csv", rows(8000, { seed: 1, older: 0 })),
    write("test.csv", rows(6000, { seed: 2, older: 0 })),
    write("moved.csv", rows(6000, { seed: 3, older: 12 })),
    write("model.onnx", model(1.2)),
    write("signature.json", JSON.stringify(signature)),
  ]);
  await mkdir(join(directory, "elsewhere"));
  await write("elsewhere/model.onnx", model(1));
}

function rows(count: number, { seed, older }: { readonly seed: number; readonly older: number }): string {
  const random = createRandom(seed);
  const lines = Array.from({ length: count }, (_, index) => {
    const age = 20 + 50 * random.uniform() + older;
    const plan = random.uniform() < 0.5 ? "basic" : "plus";
    const share = 1 / (1 + Math.exp(-((age - 45) / 10 + (plan === "plus" ? 0.7 : -0.7))));
    return `${index},${age.toFixed(3)},${plan},${random.uniform() < share ? 1 : 0}`;
  });
  return ["customer,age,plan,left", ...lines, ""].join("\n");
}

/** A hidden layer wide enough to be worth quantizing. */
function model(slope: number): Uint8Array {
  const width = 256;
  const graph = buildGraph("customers");
  const input = graph.input("features", "FP32", ["batch", 2]);
  const wide = graph.floats(
    "wide",
    [2, width],
    Float32Array.from({ length: 2 * width }, (_, at) => (slope * (1 + (at % 3))) / 40),
  );
  const deep = graph.floats(
    "deep",
    [width, width],
    Float32Array.from({ length: width * width }, (_, at) => ((at % 5) - 1.5) / 200),
  );
  const narrow = graph.floats(
    "narrow",
    [width, 1],
    Float32Array.from({ length: width }, () => 1 / 12),
  );
  const bias = graph.floats("bias", [1], [-0.6 * slope]);
  const hidden = graph.add("MatMul", [graph.add("MatMul", [input, wide]), deep]);
  graph.add(
    "Sigmoid",
    [graph.add("Add", [graph.add("MatMul", [hidden, narrow]), bias])],
    {},
    { output: "probability" },
  );
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}
