import type { ModelSignatureInput } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import type { Network } from "./network.ts";
import type { Snapshot } from "./snapshot.ts";

/** The network as ONNX: inputs `numbers` [batch, numbers] and `categories` [batch, categories], output `probability` [batch, 1]. */
export function exportNetwork(network: Network): Uint8Array {
  const { numberCount, categorySizes } = network.shape;
  const graph = buildGraph("flight-delay");
  const numbers = graph.input("numbers", "FP32", ["batch", numberCount]);
  const categories = graph.input("categories", "INT64", ["batch", categorySizes.length]);
  const constant = (parameter: Network["parameters"][number]) =>
    graph.floats(parameter.name, parameter.shape, parameter.values);

  const embedded = network.embeddings.map((table, c) => {
    const index = graph.add("Gather", [categories, graph.integers(`category_${c}`, [], [c])], { axis: 1 });
    return graph.add("Gather", [constant(table), index], { axis: 0 });
  });
  let values = graph.add("Concat", [numbers, ...embedded], { axis: 1 });
  network.layers.forEach(({ weights, bias }, i) => {
    if (i > 0) values = graph.add("Relu", [values]);
    values = graph.add("Add", [graph.add("MatMul", [values, constant(weights)]), constant(bias)]);
  });
  graph.add("Sigmoid", [values], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model({ producerName: "examples/flight-delay/train.ts" }));
}

/** How raw columns become those inputs: whoever serves, evaluates or watches the model repeats exactly this. */
export function describeSignature(snapshot: Snapshot, label: string): ModelSignatureInput {
  return {
    inputs: [
      {
        name: "numbers",
        datatype: "FP32",
        shape: [-1, snapshot.numbers.length],
        features: snapshot.numbers.map(({ name, mean, deviation }) => ({
          kind: "number",
          column: name,
          mean,
          deviation,
        })),
      },
      {
        name: "categories",
        datatype: "INT64",
        shape: [-1, snapshot.categories.length],
        features: snapshot.categories.map(({ name, vocabulary }) => ({
          kind: "category",
          column: name,
          vocabulary: [...vocabulary],
          unknown: 0,
          missing: 0,
        })),
      },
    ],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label,
    prediction: { kind: "binary", output: "probability" },
  };
}
