import type { Node, OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain } from "../onnx/rewrite.ts";
import type { NodeAction, PassSettings, QuantizationPass } from "./pass.ts";
import { nodeNames } from "./report-nodes.ts";

/**
 * What ONNX Runtime's basic level makes of a model, kept: constants computed once, a BatchNormalization within its Conv, a bias within
 * its Gemm. The runtime would do it at every load; here the file is smaller, loads faster, and the other passes see the whole weights.
 */
export const foldFp32: QuantizationPass = {
  name: "fold-fp32",
  description: "constants computed and nodes joined beforehand by ONNX Runtime's basic level; computes in fp32",
  options: [],
  source: "folded",
  operators: "every",
  minimumOpset: 7,
  batchInvariant: true,
  isInteger: false,
  calibrated: null,
  rewrite,
};

function rewrite(folded: OnnxModel, { original }: PassSettings): NodeAction[] {
  const before = original.graph?.nodes ?? [];
  const kept = new Set((folded.graph?.nodes ?? []).flatMap(signatures));
  const names = nodeNames(before);
  return before.map((node): NodeAction => {
    const operator = isDefaultDomain(node) ? node.opType : `${node.domain}:${node.opType}`;
    const about = { name: names.get(node)!, operator };
    return signatures(node).some((signature) => kept.has(signature))
      ? { ...about, action: "left", reason: "nothing in it is constant" }
      : { ...about, action: "stored", reason: "computed beforehand, or joined with its neighbour" };
  });
}

/** A node goes on when one of the same operator makes one of its values. */
const signatures = (node: Node): string[] =>
  node.outputs.filter((output) => output !== "").map((output) => `${node.opType} ${output}`);
