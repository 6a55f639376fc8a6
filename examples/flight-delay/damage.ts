/**
 * Makes a deliberately broken model for the demo's rollback: `node --import tsx examples/flight-delay/damage.ts good.onnx broken.onnx`.
 *
 * The weights and the bias of the last layer change their sign. The file is a valid model with the same inputs, outputs and
 * speed, and its probabilities are exactly those of the opposite: what a swapped label in a training job does in real life.
 */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

import { createTensor } from "../../core/onnx/create.ts";
import { parseModel, serializeModel, type OnnxModel } from "../../core/onnx/model.ts";
import { openGraph } from "../../core/onnx/rewrite.ts";
import { floatValues } from "../../core/onnx/tensor.ts";

/**
 * The same model with the float constants of its last layer negated.
 * @throws when the model does not end in a layer of float weights, as a quantized one does not
 */
export function damageModel(bytes: Uint8Array): Uint8Array {
  // A Buffer's slice() is a view and not a copy, so tensors would be read at odd offsets: a plain array instead.
  const model = parseModel(new Uint8Array(bytes), "model to damage");
  const names = lastLayerConstants(model);
  const graph = model.graph!;
  graph.initializers = graph.initializers.map((tensor) => {
    const values = names.has(tensor.name) ? floatValues(tensor) : undefined;
    return values === undefined
      ? tensor
      : createTensor(
          tensor.name,
          "FP32",
          tensor.dims,
          values.map((value) => -value),
        );
  });
  return serializeModel(model);
}

/** Constants read on the way back from the first output to the nearest MatMul or Gemm, that one included. */
function lastLayerConstants(model: OnnxModel): Set<string> {
  const graph = openGraph(model);
  const names = new Set<string>();
  let wanted: string | undefined = graph.graph.outputs[0]?.name;
  while (wanted !== undefined) {
    const made: string = wanted;
    const node = graph.graph.nodes.find(({ outputs }) => outputs.includes(made));
    if (node === undefined) break;
    const constants = node.inputs.filter((name) => graph.constant(name) !== undefined);
    for (const name of constants) names.add(name);
    if (node.opType === "MatMul" || node.opType === "Gemm") return names;
    wanted = node.inputs.find((name) => !constants.includes(name));
  }
  throw new Error(
    "the model does not end in a MatMul or Gemm with float weights; damage the fp32 file, not a quantized one",
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [, , source, target] = process.argv;
  if (source === undefined || target === undefined) {
    process.stderr.write("usage: node --import tsx damage.ts good.onnx broken.onnx\n");
    process.exit(2);
  }
  await writeFile(target, damageModel(await readFile(source)));
}
