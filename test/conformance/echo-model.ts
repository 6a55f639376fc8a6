import { modelSignatureSchema, TENSOR_DATATYPES, type ModelSignature } from "../../contracts/signature.ts";
import { buildGraph } from "../../core/onnx/build.ts";
import { serializeModel } from "../../core/onnx/model.ts";
import { inputName, isHalf, outputName, SAMPLES, type Sample } from "./samples.ts";

export interface EchoModel {
  readonly suffix: string;
  readonly signature: ModelSignature;
  readonly bytes: Uint8Array;
}

/**
 * The models that a server under test serves. Each input of shape [-1, 2] is named by its datatype (`int64`) and comes back
 * unchanged as an output of its name and `_echo`. MODEL has every datatype with typed contents in gRPC, MODEL-half the 16-bit
 * floats, which travel raw there, MODEL-one FP32 alone.
 */
export function echoModels(): readonly EchoModel[] {
  const served = SAMPLES.filter(({ datatype }) => TENSOR_DATATYPES.some((name) => name === datatype));
  return [
    echoModel(
      "",
      served.filter((sample) => !isHalf(sample)),
    ),
    echoModel(
      "-half",
      served.filter((sample) => isHalf(sample)),
    ),
    echoModel(
      "-one",
      served.filter(({ datatype }) => datatype === "FP32"),
    ),
  ];
}

/** Our gateway serves classifiers: beside the echoes each row has a probability, which is always a half. */
function echoModel(suffix: string, samples: readonly Sample[]): EchoModel {
  const inputs = samples.map((sample) => ({
    name: inputName(sample),
    datatype: sample.datatype,
    shape: [-1, 2],
    features: [{ kind: "tensor", column: `${inputName(sample)} column` }],
  }));
  const outputs = samples.map((sample) => ({ name: outputName(sample), datatype: sample.datatype, shape: [-1, 2] }));
  const signature = modelSignatureSchema.parse({
    inputs,
    outputs: [...outputs, { name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label: "label",
    prediction: { kind: "binary", output: "probability" },
  });
  const graph = buildGraph("echo");
  for (const { name, datatype } of signature.inputs) {
    graph.input(name, datatype, ["rows", 2]);
    graph.add("Identity", [name], {}, { output: `${name}_echo` });
    graph.output(`${name}_echo`, datatype, ["rows", 2]);
  }
  const shape = graph.add("Shape", [signature.inputs[0]!.name], { start: 0, end: 1 });
  const column = graph.add("Concat", [shape, graph.integers("one", [1], [1])], { axis: 0 });
  graph.add("Expand", [graph.floats("half", [1, 1], [0.5]), column], {}, { output: "probability" });
  graph.output("probability", "FP32", ["rows", 1]);
  return { suffix, signature, bytes: serializeModel(graph.model()) };
}
