/**
 * Rewriting in one page. Open a graph, look for nodes, replace them; names, order and left-over constants are taken care of:
 *
 * ```ts
 * const graph = openGraph(model);
 * for (const node of graph.match("Gemm", (gemm) => gemm.inputs.length === 3)) {
 *   const [a, b, bias] = node.inputs;                        // match
 *   const product = graph.uniqueName(`${node.outputs[0]}_MatMul`);
 *   graph.replace(node, [                                    // replace: same outputs, same place
 *     createNode("MatMul", [a, b], [product]),
 *     createNode("Add", [product, bias], node.outputs),
 *   ]);
 * }
 * graph.removeUnused();                                      // constants nobody reads any more
 * ```
 *
 * The model given is changed in place; `parseModel` once more when the original is needed.
 */
import type { Graph, Node, OnnxModel, Tensor } from "./messages.ts";
import { allNodes, allSubgraphs, subgraphs } from "./walk.ts";

export interface OpenGraph {
  readonly graph: Graph;
  /** Top-level nodes of an operator of the default domain, in order; a snapshot, so that replacing while looping is safe. */
  match(opType: string, condition?: (node: Node) => boolean): Node[];
  /** The tensor behind a name that no caller can override: an initializer or the value of a Constant node. */
  constant(name: string): Tensor | undefined;
  /** Nodes that read a value, those that read it only inside a subgraph included. */
  readers(name: string): Node[];
  /** True for a value the graph returns. */
  isOutput(name: string): boolean;
  /** `wanted` when it is free, else `wanted_2`, `wanted_3`, ... The name is taken from then on. */
  uniqueName(wanted: string): string;
  /** Adds a constant under a free name derived from its own, and returns that name. */
  addConstant(tensor: Tensor): string;
  /** Puts nodes in the place of one, so that order stays topological. They must make its outputs. */
  replace(node: Node, replacements: readonly Node[]): void;
  /** Takes a node out whose outputs nobody reads any more. */
  remove(node: Node): void;
  /**
   * Lets nodes make a constant from then on, under its own name, so that whoever reads it, in subgraphs too, is left alone.
   * They stand in the place of its Constant node, or before all others.
   */
  compute(constant: string, nodes: readonly Node[]): void;
  /** Lets every top-level node that reads `from` read `to`. Outputs of the graph keep their names. */
  rewire(from: string, to: string): void;
  /** Declares that the model uses operators of a domain; an import that is there stays as it is. Returns the domain. */
  importDomain(domain: string, version: number): string;
  /** Drops initializers and Constant nodes that nobody reads. */
  removeUnused(): void;
}

/** Opens the main graph of a model for rewriting. Nodes inside subgraphs are seen as readers but not rewritten. */
export function openGraph(model: OnnxModel): OpenGraph {
  const { graph } = model;
  if (graph === undefined) throw new TypeError("the model has no graph");
  const taken = namesIn(graph);
  const overridable = new Set(graph.inputs.map(({ name }) => name));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const constants = constantsOf(graph, overridable);

  let index: Map<string, Node[]> | undefined;
  const readersByName = (): Map<string, Node[]> => (index ??= indexReaders(graph));

  const uniqueName = (wanted: string): string => {
    let name = wanted;
    for (let copy = 2; taken.has(name); copy++) name = `${wanted}_${copy}`;
    taken.add(name);
    return name;
  };
  return {
    graph,
    uniqueName,
    match: (opType, condition = () => true) =>
      graph.nodes.filter((node) => isDefaultDomain(node) && node.opType === opType && condition(node)),
    constant: (name) => constants.get(name),
    readers: (name) => readersByName().get(name) ?? [],
    isOutput: (name) => outputs.has(name),
    addConstant: (tensor) => {
      const name = uniqueName(tensor.name);
      const named = { ...tensor, name };
      graph.initializers.push(named);
      constants.set(name, named);
      return name;
    },
    replace: (node, replacements) => {
      const place = graph.nodes.indexOf(node);
      if (place < 0) throw new TypeError(`node "${node.name}" is not in the graph`);
      const made = new Set(replacements.flatMap((replacement) => replacement.outputs));
      const missing = node.outputs.find((output) => output !== "" && !made.has(output));
      if (missing !== undefined) throw new TypeError(`nothing makes "${missing}" in the place of "${node.name}"`);
      graph.nodes.splice(place, 1, ...replacements);
      index = undefined;
    },
    remove: (node) => {
      index = undefined;
      const wanted = node.outputs.find((output) => outputs.has(output) || readersByName().has(output));
      if (wanted !== undefined) throw new TypeError(`"${wanted}" of "${node.name}" is still read`);
      graph.nodes = graph.nodes.filter((other) => other !== node);
      graph.valueInfos = graph.valueInfos.filter(({ name }) => !node.outputs.includes(name));
      index = undefined;
    },
    compute: (constant, nodes) => {
      if (!constants.has(constant)) throw new TypeError(`"${constant}" is no constant`);
      if (!nodes.some((node) => node.outputs.includes(constant))) throw new TypeError(`nothing makes "${constant}"`);
      constants.delete(constant);
      const place = graph.nodes.findIndex((node) => node.outputs.includes(constant));
      if (place < 0) graph.initializers = graph.initializers.filter(({ name }) => name !== constant);
      graph.nodes.splice(Math.max(place, 0), place < 0 ? 0 : 1, ...nodes);
      index = undefined;
    },
    rewire: (from, to) => {
      for (const node of graph.nodes) node.inputs = node.inputs.map((input) => (input === from ? to : input));
      index = undefined;
    },
    importDomain: (domain, version) => {
      const known = model.opsetImports.some((imported) => imported.domain === domain);
      if (!known) model.opsetImports.push({ domain, version });
      return domain;
    },
    removeUnused: () => {
      const used = new Set([...outputs, ...graph.nodes.flatMap((node) => [...reads(node)])]);
      graph.initializers = graph.initializers.filter(({ name }) => used.has(name) || overridable.has(name));
      graph.nodes = graph.nodes.filter(
        (node) => node.opType !== "Constant" || node.outputs.some((name) => used.has(name)),
      );
    },
  };
}

export function isDefaultDomain(node: Node): boolean {
  return node.domain === "" || node.domain === "ai.onnx";
}

/** The integer attribute of a node, or its default. */
export function intAttribute(node: Node, name: string, absent: number): number {
  const value = node.attributes.find((attribute) => attribute.name === name)?.int;
  return value === undefined ? absent : Number(value);
}

/** The float attribute of a node, or its default. */
export function floatAttribute(node: Node, name: string, absent: number): number {
  return node.attributes.find((attribute) => attribute.name === name)?.float ?? absent;
}

/** What a node reads: its inputs and whatever its subgraphs mention, which may be a value of the outer graph. */
function reads(node: Node): Set<string> {
  const names = new Set(node.inputs);
  for (const graph of subgraphs(node)) {
    for (const inner of allNodes(graph.nodes)) for (const input of inner.inputs) names.add(input);
    for (const inside of [graph, ...allSubgraphs(graph.nodes)]) for (const { name } of inside.outputs) names.add(name);
  }
  return names;
}

function indexReaders(graph: Graph): Map<string, Node[]> {
  const index = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of reads(node)) {
      const readers = index.get(name);
      if (readers) readers.push(node);
      else index.set(name, [node]);
    }
  }
  return index;
}

function namesIn(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const inside of [graph, ...allSubgraphs(graph.nodes)]) {
    for (const { name } of [...inside.inputs, ...inside.outputs, ...inside.initializers, ...inside.valueInfos])
      names.add(name);
    for (const sparse of inside.sparseInitializers) names.add(sparse.values?.name ?? "");
    for (const node of inside.nodes) for (const name of [...node.inputs, ...node.outputs, node.name]) names.add(name);
  }
  return names;
}

function constantsOf(graph: Graph, overridable: ReadonlySet<string>): Map<string, Tensor> {
  const constants = new Map<string, Tensor>();
  for (const tensor of graph.initializers) if (!overridable.has(tensor.name)) constants.set(tensor.name, tensor);
  for (const node of graph.nodes) {
    const value = node.opType === "Constant" ? node.attributes.find(({ name }) => name === "value")?.tensor : undefined;
    if (value !== undefined && isDefaultDomain(node)) constants.set(node.outputs[0] ?? "", value);
  }
  return constants;
}
