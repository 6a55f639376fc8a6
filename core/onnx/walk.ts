import type { Attribute, Graph, Node, OnnxModel, Tensor } from "./messages.ts";

/** The graphs inside a node: the branches of an If, the body of a Loop or Scan. */
export function subgraphs(node: Node): Graph[] {
  return node.attributes.flatMap(({ graph, graphs }) => (graph === undefined ? graphs : [graph, ...graphs]));
}

/** Every node of a graph and of the graphs inside its nodes, outer before inner. */
export function* allNodes(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphs(node)) yield* allNodes(graph.nodes);
  }
}

/** Every graph inside these nodes, at any depth. */
export function* allSubgraphs(nodes: readonly Node[]): Generator<Graph> {
  for (const node of allNodes(nodes)) yield* subgraphs(node);
}

/** Every tensor of a model, those of subgraphs, functions and attributes included. */
export function allTensors({ graph, functions }: OnnxModel): Tensor[] {
  const lists = [graph?.nodes ?? [], ...functions.map((own) => own.nodes)];
  const graphs = [...(graph ? [graph] : []), ...lists.flatMap((nodes) => [...allSubgraphs(nodes)])];
  return [...graphs.flatMap(initializers), ...lists.flatMap((nodes) => [...allNodes(nodes)].flatMap(attributeTensors))];
}

/** The tensors a graph itself holds, dense and sparse, without those in attributes. */
function initializers(graph: Graph): Tensor[] {
  return [...graph.initializers, ...graph.sparseInitializers.flatMap(sparseParts)];
}

/** The tensors in a node's own attributes, without those of its subgraphs. */
function attributeTensors(node: Node): Tensor[] {
  return node.attributes.flatMap((attribute: Attribute) => {
    const sparse = [...(attribute.sparseTensor ? [attribute.sparseTensor] : []), ...attribute.sparseTensors];
    return [...(attribute.tensor ? [attribute.tensor] : []), ...attribute.tensors, ...sparse.flatMap(sparseParts)];
  });
}

function sparseParts({ values, indices }: { values?: Tensor; indices?: Tensor }): Tensor[] {
  return [values, indices].filter((tensor) => tensor !== undefined);
}
