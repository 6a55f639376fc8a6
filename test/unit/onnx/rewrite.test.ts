import { describe, expect, it } from "vitest";
import { buildGraph } from "../../../core/onnx/build.ts";
import { createModel, createNode, createTensor } from "../../../core/onnx/create.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { openGraph } from "../../../core/onnx/rewrite.ts";
import { runModel } from "./run-model.ts";

function gemm() {
  const graph = buildGraph("g");
  const x = graph.input("x", "FP32", ["batch", 2]);
  const product = graph.add("Gemm", [x, graph.floats("w", [2, 2], [1, 2, 3, 4]), graph.floats("b", [2], [10, 20])]);
  graph.add("Relu", [product], {}, { output: "y" });
  graph.output("y", "FP32", ["batch", 2]);
  return graph.model();
}
const feed = { x: { dims: [1, 2], data: Float32Array.of(1, -1) } };

describe("rewriting a graph", () => {
  it("replaces a node in its place, so that the model still runs and gives the same", async () => {
    const model = gemm();
    const before = await runModel(serializeModel(model), feed);
    const graph = openGraph(model);
    for (const node of graph.match("Gemm", ({ inputs }) => inputs.length === 3)) {
      const [a, b, bias] = node.inputs as [string, string, string];
      const product = graph.uniqueName(`${node.outputs[0]}_MatMul`);
      graph.replace(node, [createNode("MatMul", [a, b], [product]), createNode("Add", [product, bias], node.outputs)]);
    }
    expect(model.graph!.nodes.map(({ opType }) => opType)).toEqual(["MatMul", "Add", "Relu"]);
    expect(await runModel(serializeModel(model), feed)).toEqual(before);
    expect(before).toEqual([8, 18]);
  });

  it("refuses a replacement that does not make the outputs, or a node that is not there", () => {
    const graph = openGraph(gemm());
    const [node] = graph.match("Gemm");
    expect(() => graph.replace(node!, [createNode("Relu", ["x"], ["elsewhere"])])).toThrow(
      'nothing makes "Gemm_0_output"',
    );
    expect(() => graph.replace(createNode("Relu", [], []), [])).toThrow("is not in the graph");
  });

  it("lets nodes make a constant under its name, before the others or in the place of its Constant node", async () => {
    const model = gemm();
    const before = await runModel(serializeModel(model), feed);
    const graph = openGraph(model);
    const [w, b] = ["w", "b"].map((name) => graph.addConstant({ ...graph.constant(name)!, name: `${name}_stored` }));
    graph.compute("w", [createNode("Identity", [w!], ["w"])]);
    expect(graph.constant("w")).toBeUndefined();
    expect(model.graph!.nodes.map(({ opType }) => opType)).toEqual(["Identity", "Gemm", "Relu"]);
    graph.compute("b", [createNode("Neg", [b!], ["minus"]), createNode("Neg", ["minus"], ["b"])]);
    expect(model.graph!.initializers.map(({ name }) => name)).toEqual(["w_stored", "b_stored"]);
    expect(await runModel(serializeModel(model), feed)).toEqual(before);

    const tensor = createTensor("", "FP32", [1], Float32Array.of(3));
    const nodes = [createNode("Relu", ["x"], ["r"]), createNode("Constant", [], ["c"], { value: { tensor } })];
    const other = createModel({ nodes });
    openGraph(other).compute("c", [createNode("Neg", ["r"], ["c"])]);
    expect(other.graph!.nodes.map(({ opType }) => opType)).toEqual(["Relu", "Neg"]);
  });

  it("refuses to compute what is no constant, or by nodes that do not make it", () => {
    const graph = openGraph(gemm());
    expect(() => graph.compute("x", [createNode("Neg", ["y"], ["x"])])).toThrow('"x" is no constant');
    expect(() => graph.compute("w", [createNode("Neg", ["b"], ["v"])])).toThrow('nothing makes "w"');
    expect(graph.constant("w")).toBeDefined();
  });

  it("rewires readers and drops constants nobody reads any more", async () => {
    const model = gemm();
    const graph = openGraph(model);
    const wanted = createTensor("w", "FP32", [2, 2], Float32Array.of(1, 0, 0, 1));
    const name = graph.addConstant(wanted);
    expect(name).toBe("w_2");
    graph.rewire("w", name);
    expect(graph.readers("w")).toEqual([]);
    expect(graph.readers(name).map(({ opType }) => opType)).toEqual(["Gemm"]);
    graph.removeUnused();
    expect(model.graph!.initializers.map((tensor) => tensor.name)).toEqual(["b", "w_2"]);
    expect(await runModel(serializeModel(model), feed)).toEqual([11, 19]);
  });

  it("gives names that are free in subgraphs too, and sees what a subgraph reads", () => {
    const model = gemm();
    const branch = createModel({ nodes: [createNode("Identity", ["w"], ["inner"])] }).graph!;
    const choose = createNode("If", ["x"], ["z"], { then_branch: { graph: branch } });
    model.graph!.nodes.push(choose);
    const graph = openGraph(model);
    expect([graph.uniqueName("inner"), graph.uniqueName("inner"), graph.uniqueName("free")]).toEqual([
      "inner_2",
      "inner_3",
      "free",
    ]);
    expect(graph.readers("w").map(({ opType }) => opType)).toEqual(["Gemm", "If"]);
  });

  it("takes an initializer for constant unless a caller can override it", () => {
    const model = gemm();
    expect(openGraph(model).constant("w")).toBe(model.graph!.initializers[0]);
    model.graph!.inputs.push({ name: "w", docString: "" });
    expect(openGraph(model).constant("w")).toBeUndefined();
    const value = createTensor("", "FP32", [1], Float32Array.of(1));
    model.graph!.nodes.unshift(createNode("Constant", [], ["c"], { value: { tensor: value } }));
    expect(openGraph(model).constant("c")).toBe(value);
  });
});
