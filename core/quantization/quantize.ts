import { Failure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import { parseModel, serializeModel, type OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain } from "../onnx/rewrite.ts";
import { allNodes } from "../onnx/walk.ts";
import type { NodeAction } from "./pass.ts";
import { quantizationPass } from "./registry.ts";

export interface QuantizationResult {
  readonly pass: QuantizationPassName;
  /** The quantized model; the same bytes for the same model and pass on any machine. */
  readonly model: Uint8Array;
  /** One entry for every node of the pass's operators. */
  readonly nodes: readonly NodeAction[];
  readonly sourceBytes: number;
  readonly sizeBytes: number;
}

/** Operators that only a quantized model has. */
const QUANTIZED_OPERATORS: readonly string[] = [
  "QuantizeLinear",
  "DequantizeLinear",
  "DynamicQuantizeLinear",
  "MatMulInteger",
  "ConvInteger",
  "QLinearMatMul",
  "QLinearConv",
  "com.microsoft:MatMulNBits",
  "com.microsoft:DynamicQuantizeMatMul",
  "com.microsoft:DynamicQuantizeLSTM",
  "com.microsoft:QGemm",
];

/**
 * Quantizes a model by one pass.
 *
 * @param bytes an admitted fp32 model; not changed
 * @param where the file or artifact, for failures
 * @throws Failure MODEL_NOT_ONNX; QUANTIZATION_UNSUPPORTED when the model is quantized already, is too old for the pass, or
 *   has no node worth quantizing, with the reasons
 */
export function quantizeModel(bytes: Uint8Array, passName: QuantizationPassName, where: string): QuantizationResult {
  const refuse = (found: string) => new Failure("QUANTIZATION_UNSUPPORTED", { where, found });
  const pass = quantizationPass(passName);
  const model = parseModel(bytes, where);
  const quantized = operatorsOf(model).find((operator) => QUANTIZED_OPERATORS.includes(operator));
  if (quantized !== undefined) throw refuse(`it is quantized already, it has ${quantized} nodes`);
  const opset = model.opsetImports.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0;
  if (opset < pass.minimumOpset) {
    throw refuse(`operator set ${opset}, ${pass.name} needs ${pass.minimumOpset} or newer`);
  }
  const nodes = pass.rewrite(model);
  if (!nodes.some(({ action }) => action === "quantized")) throw refuse(summarize(nodes, pass.operators));
  const result = serializeModel(model);
  return { pass: passName, model: result, nodes, sourceBytes: bytes.length, sizeBytes: result.length };
}

function operatorsOf(model: OnnxModel): string[] {
  const nodes = [...allNodes(model.graph?.nodes ?? [])];
  return nodes.map((node) => (isDefaultDomain(node) ? node.opType : `${node.domain}:${node.opType}`));
}

/** The reasons, each once with the number of nodes it held for, the most frequent first. */
function summarize(nodes: readonly NodeAction[], operators: readonly string[]): string {
  if (nodes.length === 0) return `no ${operators.join(", ")} node`;
  const counts = new Map<string, number>();
  for (const { operator, reason } of nodes) {
    const line = `${operator}: ${reason}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = [...counts].toSorted((a, b) => b[1] - a[1]).map(([line, count]) => `${count} ${line}`);
  const shown = lines.slice(0, 3).join("; ");
  return lines.length > 3 ? `${shown}; and ${lines.length - 3} more reasons` : shown;
}
