/**
 * Which values static int8 keeps in 8 bits. ONNX Runtime's quantizer quantizes every output of the operators it knows; here a
 * value is quantized only where integers are computed with on the other side, so that a score before a Sigmoid stays float.
 * Exceptions are a Conv, and a node with a Relu or Clip behind it: ONNX Runtime computes these in integers only when what comes out is
 * quantized too; a float Relu it would join with the float form of the node, and widen the weights at every run.
 */
import type { QuantizationOptions } from "../../contracts/optimization.ts";
import type { Node } from "../onnx/model.ts";
import { isDefaultDomain, type OpenGraph } from "../onnx/rewrite.ts";
import { floatValues } from "../onnx/tensor.ts";
import { allNodes, allSubgraphs } from "../onnx/walk.ts";
import { EXCLUDED } from "./report-nodes.ts";
import { planWeighted, type WeightedPlan } from "./static-weights.ts";
import { planTable, reasonTableTooFew, reasonToShareInFloat, type Plan } from "./plan.ts";

export const WEIGHTED_OPERATORS = ["MatMul", "Gemm", "Conv", "ConvTranspose"];
/** Looks rows up in a constant table of 8-bit integers, whose scale they keep. */
export const TABLE_OPERATOR = "Gather";
/**
 * Its clipping is done by quantizing to the range it leaves, so the node goes. Not a matter of speed alone: a float Relu or Clip left
 * between an integer MatMul and a QuantizeLinear makes ONNX Runtime 1.30 fuse the MatMul twice and refuse the model it made.
 */
const FOLDED_OPERATORS = ["Relu", "Clip"];
/** Moves or picks values: its output has the scale of its input, unless a folded node follows. */
const SHARED_OPERATORS = ["Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "AveragePool"];
/** Makes new values from quantized ones: its output has a range of its own. */
const OWN_OPERATORS = ["Concat", "Add", "GlobalAveragePool"];
export const FOLLOWING_OPERATORS = [...FOLDED_OPERATORS, ...SHARED_OPERATORS, ...OWN_OPERATORS];

export type Role = "folded" | "shared" | "own";

export interface StaticPlan {
  readonly weighted: ReadonlyMap<Node, WeightedPlan>;
  /** Nodes that look up rows of a constant table. */
  readonly tables: ReadonlyMap<Node, Plan>;
  /** Nodes without weights that stand between quantized values. */
  readonly followers: ReadonlyMap<Node, Role>;
  /** Every quantized value, and what gives its scale: its own range, that of the input of a node that only moves values, or a table. */
  readonly scaleOf: ReadonlyMap<string, string>;
  /** Of the quantized values, those made by a quantized node; the others are quantized for the weighted nodes that read them. */
  readonly made: ReadonlySet<string>;
  /** The value a folded node clipped, and the one the last of a chain of them gave, whose name its maker takes over. */
  readonly folded: ReadonlyMap<string, string>;
  /** Why a node was left. */
  readonly reasons: ReadonlyMap<Node, string>;
}

export const outputOf = (node: Node): string => node.outputs[0] ?? "";

/** Decides for every node; changes nothing. */
export function planStatic(
  graph: OpenGraph,
  excluded: Iterable<Node>,
  options: Pick<QuantizationOptions, "perChannel" | "reduceRange">,
): StaticPlan {
  const { nodes } = graph.graph;
  const reasons = new Map([...excluded].map((node) => [node, EXCLUDED]));
  const { weighted, tables } = planConstants(graph, { reasons, options });
  const followers = findFollowers(graph, { weighted, tables, reasons });
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const isMade = outputTest(graph, { weighted, tables, followers, producers });
  pruneFollowers(nodes, followers, { producers, isMade, reasons });

  const folded = new Map<string, string>();
  for (const node of nodes.toReversed()) {
    const output = outputOf(node);
    if (followers.get(node) === "folded") folded.set(node.inputs[0]!, folded.get(output) ?? output);
  }
  const scaleOf = new Map<string, string>();
  const made = new Set<string>();
  for (const node of nodes) {
    const plan = weighted.get(node);
    const role = followers.get(node);
    const table = tables.get(node);
    if (table !== undefined) {
      made.add(outputOf(node));
      scaleOf.set(outputOf(node), table.weightName);
    }
    if (plan === undefined && role === undefined) continue;
    const input = node.inputs[0]!;
    if (plan !== undefined && !scaleOf.has(input)) scaleOf.set(input, input);
    const output = outputOf(node);
    if (folded.has(output) || !isMade(node)) continue;
    made.add(output);
    scaleOf.set(output, role === "shared" ? scaleOf.get(input)! : output);
  }
  return { weighted, tables, followers, scaleOf, made, folded, reasons };
}

/** The nodes with constants that can be quantized. */
function planConstants(
  graph: OpenGraph,
  { reasons, options }: { readonly reasons: Map<Node, string>; readonly options: Parameters<typeof planWeighted>[2] },
): Pick<StaticPlan, "weighted" | "tables"> {
  const weighted = new Map<Node, WeightedPlan>();
  const tables = new Map<Node, Plan>();
  const planInto = <Made>(plans: Map<Node, Made>, node: Node, plan: Made | string): void => {
    if (typeof plan === "string") reasons.set(node, plan);
    else plans.set(node, plan);
  };
  for (const node of graph.graph.nodes) {
    if (!isDefaultDomain(node) || reasons.has(node)) continue;
    if (WEIGHTED_OPERATORS.includes(node.opType)) planInto(weighted, node, planWeighted(graph, node, options));
    if (node.opType === TABLE_OPERATOR) planInto(tables, node, planWorthyTable(graph, node));
  }
  const plans = new Map<Node, Plan>([...weighted, ...tables]);
  const shared = [...plans].flatMap(([node, plan]) => {
    const reason = reasonToShareInFloat(graph, plan, plans);
    return reason === undefined ? [] : [[node, reason] as const];
  });
  for (const [node, reason] of shared) {
    weighted.delete(node);
    tables.delete(node);
    reasons.set(node, reason);
  }
  return { weighted, tables };
}

function planWorthyTable(graph: OpenGraph, node: Node): Plan | string {
  const plan = planTable(graph, node);
  return typeof plan === "string" ? plan : (reasonTableTooFew(graph, plan) ?? plan);
}

/** The nodes that could work on quantized values, if their readers want them so. */
function findFollowers(
  graph: OpenGraph,
  { weighted, tables, reasons }: Pick<StaticPlan, "weighted" | "tables"> & { readonly reasons: Map<Node, string> },
): Map<Node, Role> {
  const followers = new Map<Node, Role>();
  // By the value, the role of the node that made it.
  const region = new Map<string, Role | "weighted" | "table">();
  const hidden = readInSubgraphs(graph);
  const roleOf = (node: Node): Role | { readonly reason: string } => {
    const data = SHARED_OPERATORS.includes(node.opType) ? node.inputs.slice(0, 1) : node.inputs.filter(Boolean);
    const [first = ""] = data;
    if (FOLDED_OPERATORS.includes(node.opType)) {
      const from = region.get(first);
      if (from === undefined) return { reason: "its input is not quantized" };
      if (from === "table") return { reason: "its input is looked up, and not quantized to the range it leaves" };
      if (graph.readers(first).length !== 1 || graph.isOutput(first))
        return { reason: "its input is also read without it" };
      if (hidden.has(first) || hidden.has(outputOf(node))) return { reason: "its value is read inside a subgraph" };
      if (node.opType === "Clip" && !clipsAroundZero(graph, node)) return { reason: "its bounds leave out 0" };
      return "folded";
    }
    const made = data.filter((input) => region.has(input)).length;
    if (data.length === 0 || made !== data.length) {
      return { reason: made === 0 ? "its input is not quantized" : "not all of its inputs are quantized" };
    }
    if (node.outputs.length !== 1) return { reason: "it has a second output" };
    if (hidden.has(outputOf(node))) return { reason: "its value is read inside a subgraph" };
    return OWN_OPERATORS.includes(node.opType) ? "own" : "shared";
  };
  for (const node of graph.graph.nodes) {
    if (weighted.has(node)) region.set(outputOf(node), "weighted");
    if (tables.has(node)) region.set(outputOf(node), "table");
    if (!isDefaultDomain(node) || !FOLLOWING_OPERATORS.includes(node.opType) || reasons.has(node)) continue;
    const role = roleOf(node);
    if (typeof role === "object") {
      reasons.set(node, role.reason);
      continue;
    }
    followers.set(node, role);
    region.set(outputOf(node), role);
  }
  return followers;
}

interface Found extends Pick<StaticPlan, "weighted" | "tables" | "followers"> {
  readonly producers: ReadonlyMap<string, Node>;
}

/** Tells whether the output of a weighted node or follower is quantized, as the followers stand when it is asked. */
function outputTest(graph: OpenGraph, { weighted, tables, followers, producers }: Found): (node: Node) => boolean {
  const hidden = readInSubgraphs(graph);
  return (node) => {
    if (tables.has(node)) return true;
    if (!weighted.has(node) && !followers.has(node)) return false;
    const output = outputOf(node);
    let maker = node;
    while (followers.get(maker) === "folded") maker = producers.get(maker.inputs[0]!)!;
    if (weighted.has(maker) && (maker.opType === "Conv" || maker !== node)) return true;
    const readers = graph.readers(output);
    if (readers.length === 0 || graph.isOutput(output) || hidden.has(output)) return false;
    return readers.every((reader) => weighted.has(reader) || followers.has(reader));
  };
}

/** Takes out, until nothing changes, followers whose inputs are not quantized or whose output is wanted in float. */
function pruneFollowers(
  nodes: readonly Node[],
  followers: Map<Node, Role>,
  found: {
    readonly producers: ReadonlyMap<string, Node>;
    readonly isMade: (node: Node) => boolean;
    readonly reasons: Map<Node, string>;
  },
): void {
  const { producers, isMade, reasons } = found;
  const check = (node: Node): boolean => {
    const role = followers.get(node);
    if (role === undefined) return false;
    const data = role === "own" ? node.inputs.filter(Boolean) : node.inputs.slice(0, 1);
    const isFed = data.every((input) => isMade(producers.get(input)!));
    if (isFed && isMade(node)) return false;
    followers.delete(node);
    reasons.set(node, isFed ? "its output is read in float" : "its input is not quantized");
    return true;
  };
  // What is wanted runs against the order of the nodes, what is fed along it: a sweep each way settles whole chains.
  for (let changed = true; changed;) {
    const sweep = [...nodes.toReversed(), ...nodes];
    changed = sweep.map(check).some(Boolean);
  }
}

/** A range is widened to hold 0: only a Clip that lets 0 through never gives a value outside the widened range. */
function clipsAroundZero(graph: OpenGraph, node: Node): boolean {
  const [, low = "", high = ""] = node.inputs;
  const isOn = (side: 1 | -1) => (bound: string) => {
    if (bound === "") return true;
    const constant = graph.constant(bound);
    const values = constant && floatValues(constant);
    return values?.length === 1 && values[0]! * side >= 0;
  };
  return isOn(-1)(low) && isOn(1)(high);
}

/** Values of the main graph that nodes inside subgraphs read: they must go on existing as they are. */
function readInSubgraphs({ graph }: OpenGraph): Set<string> {
  const names = new Set<string>();
  for (const inner of allSubgraphs(graph.nodes)) {
    for (const node of allNodes(inner.nodes)) for (const input of node.inputs) names.add(input);
    for (const { name } of inner.outputs) names.add(name);
  }
  return names;
}
