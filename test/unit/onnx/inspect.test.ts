import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { modelFactsSchema } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { createModel, createNode, createTensor, createValueInfo } from "../../../core/onnx/create.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel, serializeModel, type Node, type OnnxModel } from "../../../core/onnx/model.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../../fixtures/onnx/${name}`, import.meta.url)));

const identity = createNode("Identity", ["x"], ["y"]);
const modelWith = (nodes: Node[], change: (model: OnnxModel) => void = () => {}): Uint8Array => {
  const model = createModel({
    name: "g",
    nodes,
    inputs: [createValueInfo("x", "FP32", ["batch", 2])],
    outputs: [createValueInfo("y", "FP32", ["batch", 2])],
  });
  change(model);
  return serializeModel(model);
};

describe("inspectModel", () => {
  it("tells inputs, outputs, operators and sizes of a model", () => {
    const facts = inspectModel(fixture("mlp.onnx"), "mlp.onnx");
    expect(facts).toEqual({
      inputs: [
        { name: "carrier", datatype: "INT64", shape: [-1] },
        { name: "origin", datatype: "INT64", shape: [-1] },
        { name: "hours", datatype: "FP32", shape: [-1, 8] },
      ],
      outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
      opset: 17,
      nodeCount: 14,
      operators: ["Add", "Concat", "Gather", "Gemm", "MatMul", "Relu", "Sigmoid"],
      parameterCount: 480 + 240 + 960 + 48 + 1920 + 40 + 1600 + 1600 + 40 + 40 + 1,
      sizeBytes: 28806,
    });
    expect(modelFactsSchema.parse(facts)).toEqual(facts);
  });

  it("counts the nodes inside subgraphs", () => {
    expect(inspectModel(fixture("storage.onnx"), "s").nodeCount).toBe(4 + 2);
    expect(inspectModel(fixture("storage.onnx"), "s").operators).toContain("Constant");
  });

  it("names operators of other domains with their domain and leaves constants out of the inputs", () => {
    const bytes = modelWith([createNode("Scaler", ["x"], ["y"], {}, { domain: "ai.onnx.ml" })], (model) => {
      model.graph!.initializers.push(createTensor("w", "FP32", [1], Float32Array.of(1)));
      model.graph!.inputs.push(createValueInfo("w", "FP32", [1]));
    });
    const facts = inspectModel(bytes, "m");
    expect(facts.operators).toEqual(["ai.onnx.ml:Scaler"]);
    expect(facts.inputs.map(({ name }) => name)).toEqual(["x"]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    [
      "an operator of a custom domain",
      modelWith([createNode("Evil", ["x"], ["y"], {}, { domain: "evil" })]),
      /custom operator evil:Evil/,
    ],
    [
      "an operator of a custom domain inside a subgraph",
      modelWith([identity], (model) => {
        const evil = createNode("Evil", [], ["z"], {}, { domain: "evil" });
        const branch = createModel({ name: "b", nodes: [evil] }).graph!;
        const choose = createNode("If", ["x"], ["z"], { then_branch: { graph: branch } });
        model.graph!.nodes.push(choose);
      }),
      /custom operator evil:Evil/,
    ],
    [
      "a context file",
      modelWith([createNode("EPContext", ["x"], ["y"], {}, { domain: "com.microsoft" })]),
      /com.microsoft:EPContext, which reaches outside/,
    ],
    [
      "weights in another file",
      modelWith([identity], (model) => {
        const weight = createTensor("w", "FP32", [0], new Float32Array());
        weight.externalData.push({ key: "location", value: "../../etc/passwd" });
        weight.dataLocation = 1;
        model.graph!.initializers.push(weight);
      }),
      /tensor "w" has its data in another file/,
    ],
    [
      "weights in another file inside an attribute",
      modelWith([identity], (model) => {
        const weight = createTensor("hidden", "FP32", [0], new Float32Array());
        weight.dataLocation = 1;
        model.graph!.nodes.push(createNode("Constant", [], ["c"], { value: { tensor: weight } }));
      }),
      /tensor "hidden" has its data in another file/,
    ],
    [
      "training graphs",
      modelWith([identity], (model) => void model.trainingInfos.push(new Uint8Array())),
      /training graphs inside/,
    ],
    [
      "an output that is a sequence of maps",
      modelWith(
        [identity],
        (model) => void (model.graph!.outputs[0]!.type = { sequence: new Uint8Array(), denotation: "" }),
      ),
      /output "y" is no tensor; allowed: tensors; for a scikit-learn classifier export with zipmap=False/,
    ],
    [
      "an input without a shape",
      modelWith([identity], (model) => void delete model.graph!.inputs[0]!.type!.tensor!.shape),
      /input "x" has no shape/,
    ],
    ["no input", modelWith([identity], (model) => void (model.graph!.inputs = [])), /0 inputs and 1 outputs/],
  ])("refuses %s", (_, bytes, wording) => {
    expect(() => inspectModel(bytes, "m.onnx")).toThrow(wording);
    expect(() => inspectModel(bytes, "m.onnx")).toThrow(/^m\.onnx: the model is refused/);
  });

  it("refuses more bytes or nodes than the limits and allows exactly as many", () => {
    const bytes = fixture("mlp.onnx");
    expect(() => inspectModel(bytes, "m", { maximumBytes: bytes.length, maximumNodes: 14 })).not.toThrow();
    expect(() => inspectModel(bytes, "m", { maximumBytes: bytes.length - 1 })).toThrow(
      "28806 bytes; allowed: at most 28805 bytes",
    );
    expect(() => inspectModel(bytes, "m", { maximumNodes: 13 })).toThrow("14 nodes; allowed: at most 13 nodes");
  });

  it("counts the model's own functions as often as they are called, and refuses one that calls itself", () => {
    const call = (name: string) => createNode(name, ["x"], ["y"], {}, { domain: "own" });
    const define = (name: string, nodes: Node[]) => ({ name, nodes, domain: "own", opsetImports: [] });
    const doubling = modelWith([call("f9")], (model) => {
      model.functions.push(define("f0", [identity]));
      for (let level = 1; level < 10; level++) {
        const inner = `f${level - 1}`;
        model.functions.push(
          define(
            `f${level}`,
            Array.from({ length: 10 }, () => call(inner)),
          ),
        );
      }
    });
    expect(() => inspectModel(doubling, "m")).toThrow(/2111111111 nodes/);
    const endless = modelWith([call("f")], (model) => void model.functions.push(define("f", [call("f")])));
    expect(() => inspectModel(endless, "m")).toThrow("function own:f calls itself");
    const honest = modelWith([call("f")], (model) => void model.functions.push(define("f", [identity])));
    expect(inspectModel(honest, "m").nodeCount).toBe(2);
  });
});

describe("buildGraph", () => {
  it("builds what reading gives back", () => {
    const graph = buildGraph("g");
    const input = graph.input("x", "FP32", ["batch", 2]);
    const flat = graph.add("Reshape", [input, graph.integers("shape", [2], [-1, 2])]);
    graph.add("LeakyRelu", [flat], { alpha: { float: 0.5 } }, { output: "y", name: "leaky" });
    graph.output("y", "FP32", ["batch", 2]);
    const model = graph.model({ producerName: "test", metadata: { b: "2", a: "1" } });
    expect(parseModel(serializeModel(model), "m")).toEqual(model);
    expect(model.metadataProps.map(({ key }) => key)).toEqual(["a", "b"]);
    expect(model.graph!.nodes.map(({ name }) => name)).toEqual(["Reshape_0", "leaky"]);
  });

  it("says at once which name is taken or unknown, and which number is no integer", () => {
    const graph = buildGraph("g");
    graph.input("x", "FP32", [1]);
    expect(() => graph.input("x", "FP32", [1])).toThrow('graph g: the value "x" exists already');
    expect(() => graph.add("Relu", ["z"])).toThrow('graph g: Relu_0 uses "z", which nothing makes');
    expect(() => graph.output("z", "FP32", [1])).toThrow('an output uses "z"');
    expect(() => graph.floats("w", [3], [1, 2])).toThrow('tensor "w" of FP32 [3] was given 2 elements');
    expect(() => graph.add("Elu", ["x"], { alpha: 0.5 })).toThrow(RangeError);
  });
});
