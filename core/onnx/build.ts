/**
 * Builds models in a few readable lines. A network with an embedding for the airport:
 *
 * ```ts
 * const graph = buildGraph("flight-delay");
 * const origin = graph.input("origin", "INT64", ["batch"]);
 * const hours = graph.input("hours", "FP32", ["batch", 2]);
 * const table = graph.floats("origin_embedding", [300, 8], embedding);
 * const row = graph.add("Concat", [graph.add("Gather", [table, origin]), hours], { axis: 1 });
 * const hidden = graph.add("Relu", [graph.add("Gemm", [row, graph.floats("w1", [10, 64], w1), graph.floats("b1", [64], b1)])]);
 * const score = graph.add("Gemm", [hidden, graph.floats("w2", [64, 1], w2), graph.floats("b2", [1], b2)]);
 * graph.add("Sigmoid", [score], {}, { output: "probability" });
 * graph.output("probability", "FP32", ["batch", 1]);
 * const bytes = serializeModel(graph.model({ producerName: "train.ts" }));
 * ```
 */
import {
  createModel,
  createNode,
  createTensor,
  createValueInfo,
  type AttributeValue,
  type ModelIdentity,
} from "./create.ts";
import type { TensorDatatype } from "../../contracts/signature.ts";
import type { Node, OnnxModel, Tensor, ValueInfo } from "./messages.ts";

interface NodeNaming {
  /** The node's name; `Gemm_3` style by default. */
  readonly name?: string;
  /** The name of its first output; `<node name>_output` by default. */
  readonly output?: string;
}

export interface GraphBuilder {
  /** Declares an input and returns its name. Sizes that vary are given by name: `["batch", 2]`. */
  input(name: string, datatype: TensorDatatype, shape: readonly (number | string)[]): string;
  /** Declares a value made by `add` as an output. */
  output(name: string, datatype: TensorDatatype, shape: readonly (number | string)[]): void;
  /** Adds FP32 constants in row-major order and returns their name. */
  floats(name: string, dims: readonly number[], values: Float32Array | readonly number[]): string;
  /** Adds INT64 constants (the shape of a Reshape, the axes of a Squeeze) and returns their name. */
  integers(name: string, dims: readonly number[], values: readonly number[]): string;
  /** Adds any constant and returns its name. */
  constant(tensor: Tensor): string;
  /** Adds an operator over values or constants by name and returns the name of its first output. */
  add(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    naming?: NodeNaming,
  ): string;
  /** The model as built so far: opset 17, IR 8 unless told otherwise. */
  model(identity?: ModelIdentity): OnnxModel;
}

/** Starts a graph. Every name is taken once; a second use throws at once, with the name. */
export function buildGraph(graphName: string): GraphBuilder {
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const known = new Set<string>();

  const take = (name: string): string => {
    if (known.has(name)) throw new TypeError(`graph ${graphName}: the value "${name}" exists already`);
    known.add(name);
    return name;
  };
  const expectKnown = (name: string, user: string): void => {
    if (name !== "" && !known.has(name))
      throw new TypeError(`graph ${graphName}: ${user} uses "${name}", which nothing makes`);
  };
  const constant = (tensor: Tensor): string => {
    take(tensor.name);
    initializers.push(tensor);
    return tensor.name;
  };

  return {
    input: (name, datatype, shape) => {
      inputs.push(createValueInfo(name, datatype, shape));
      return take(name);
    },
    output: (name, datatype, shape) => {
      expectKnown(name, "an output");
      outputs.push(createValueInfo(name, datatype, shape));
    },
    floats: (name, dims, values) => constant(createTensor(name, "FP32", dims, Float32Array.from(values))),
    integers: (name, dims, values) => constant(createTensor(name, "INT64", dims, BigInt64Array.from(values, BigInt))),
    constant,
    add: (opType, operands, attributes = {}, naming = {}) => {
      const name = naming.name ?? `${opType}_${nodes.length}`;
      for (const operand of operands) expectKnown(operand, name);
      const output = take(naming.output ?? `${name}_output`);
      nodes.push(createNode(opType, operands, [output], attributes, { name }));
      return output;
    },
    model: (identity = {}) => createModel({ name: graphName, nodes, initializers, inputs, outputs }, identity),
  };
}
