import type { Graph, Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain } from "../onnx/rewrite.ts";
import { allNodes } from "../onnx/walk.ts";
import type { NodeAction } from "./pass.ts";
import { nodeNames } from "./report-nodes.ts";

/** Why a model, or a node of it, is not quantized, and what its owner may do instead. */
export interface Refusal {
  readonly found: string;
  readonly instead: string;
}

export const KEEP_FP32 = "keep fp32 and choose a batch size";

/** Operators that only a quantized model has, beside those that begin with QLinear. */
const QUANTIZED_OPERATORS: readonly string[] = [
  "QuantizeLinear",
  "DequantizeLinear",
  "DynamicQuantizeLinear",
  "MatMulInteger",
  "ConvInteger",
  "com.microsoft:DequantizeLinear",
  "com.microsoft:DynamicQuantizeLSTM",
  "com.microsoft:DynamicQuantizeMatMul",
  "com.microsoft:GatherBlockQuantized",
  "com.microsoft:MatMulBnb4",
  "com.microsoft:MatMulIntegerToFloat",
  "com.microsoft:MatMulNBits",
  "com.microsoft:QAttention",
  "com.microsoft:QEmbedLayerNormalization",
  "com.microsoft:QGemm",
  "com.microsoft:QuantizeLinear",
];

const TREES = /^TreeEnsemble/;
/** Models of ai.onnx.ml whose numbers are attributes, which ONNX Runtime reads as floats. */
const ATTRIBUTE_MODELS = /^(Linear|SVM)(Classifier|Regressor)$|^(Scaler|Normalizer|Imputer)$/;

/** Why no pass may touch a model: it is quantized already, or its graph is none that a runtime would take. */
export function refuseModel(model: OnnxModel): Refusal | undefined {
  const quantized = operatorsOf(model).find(
    (operator) => QUANTIZED_OPERATORS.includes(operator) || /^(com\.microsoft:)?QLinear/.test(operator),
  );
  if (quantized !== undefined) {
    return {
      found: `it is quantized already, it has ${quantized} nodes`,
      instead: "quantize the fp32 model that it was made from",
    };
  }
  const disorder = model.graph && findDisorder(model.graph);
  return disorder === undefined ? undefined : { found: disorder, instead: "export the model again" };
}

/** Why there is nothing in a model for a pass: what it is made of, and what to do with such a model. */
export function refuseKind(model: OnnxModel, operators: readonly string[] | string): Refusal | undefined {
  const counts = countOperators(model);
  const tree = [...counts.keys()].find((operator) => TREES.test(bare(operator)));
  if (tree !== undefined) {
    return {
      found: `a tree ensemble is not quantizable: ${bare(tree)} compares with thresholds, and rounding one sends rows to another leaf`,
      instead:
        "keep fp32 and batch; for a smaller file train fewer or shallower trees, drop ZipMap, or distil it into a small network and quantize that",
    };
  }
  const attributes = [...counts.keys()].find((operator) => ATTRIBUTE_MODELS.test(bare(operator)));
  if (attributes !== undefined) {
    return {
      found: `${bare(attributes)} keeps its numbers as attributes, which are floats in any ONNX file`,
      instead: `${KEEP_FP32}: such a model is small, and batching is what makes it fast`,
    };
  }
  if (typeof operators === "string") return undefined;
  const most = [...counts].toSorted((one, other) => other[1] - one[1]).slice(0, 5);
  const has = most.map(([operator, count]) => `${count} ${operator}`).join(", ");
  return {
    found: `no ${operators.join(", ")} node; it has ${has || "no node at all"}`,
    instead: "try store-int8 or store-f16, which take the constants of any operator, or keep fp32 and batch",
  };
}

/** What is said of the nodes of a pipeline that no pass can ever take, beside those that one can. */
export function actionsOfTrees(model: OnnxModel): NodeAction[] {
  const nodes = [...allNodes(model.graph?.nodes ?? [])];
  const names = nodeNames(nodes);
  return nodes
    .filter(({ domain, opType }) => domain === "ai.onnx.ml" && TREES.test(opType))
    .map((node) => ({
      name: names.get(node)!,
      operator: `ai.onnx.ml:${node.opType}`,
      action: "left",
      reason: "a tree ensemble is not quantizable, rounding a threshold sends rows to another leaf",
    }));
}

/** Operators as they are called outside the default domain. */
const nameOf = (node: Node): string => (isDefaultDomain(node) ? node.opType : `${node.domain}:${node.opType}`);

const bare = (operator: string): string => operator.replace("ai.onnx.ml:", "");

function operatorsOf(model: OnnxModel): string[] {
  const lists = [model.graph?.nodes ?? [], ...model.functions.map(({ nodes }) => nodes)];
  return lists.flatMap((nodes) => [...allNodes(nodes)].map(nameOf));
}

function countOperators(model: OnnxModel): Map<string, number> {
  const counts = new Map<string, number>();
  for (const operator of operatorsOf(model)) counts.set(operator, (counts.get(operator) ?? 0) + 1);
  return counts;
}

/** A value made twice, or read before it is made: rewriting follows values to their makers, and would walk such a graph in circles. */
function findDisorder(graph: Graph): string | undefined {
  const known = new Set([...graph.inputs, ...graph.initializers].map(({ name }) => name));
  for (const { values } of graph.sparseInitializers) if (values) known.add(values.name);
  for (const node of graph.nodes) {
    const unmade = node.inputs.find((input) => input !== "" && !known.has(input));
    if (unmade !== undefined) return `"${unmade}" is read before anything makes it`;
    for (const output of node.outputs) {
      if (output === "") continue;
      if (known.has(output)) return `"${output}" is made twice`;
      known.add(output);
    }
  }
  return undefined;
}
