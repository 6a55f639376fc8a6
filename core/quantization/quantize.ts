import { Failure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import { quantizationOptionsSchema, type QuantizationOptions } from "../../contracts/optimization.ts";
import { parseModel, serializeModel, type OnnxModel } from "../onnx/model.ts";
import { isDefaultDomain } from "../onnx/rewrite.ts";
import { allNodes } from "../onnx/walk.ts";
import type { ActivationRange, NodeAction, QuantizationPass } from "./pass.ts";
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
  "com.microsoft:MatMulBnb4",
  "com.microsoft:MatMulIntegerToFloat",
  "com.microsoft:MatMulNBits",
  "com.microsoft:QAttention",
  "com.microsoft:QEmbedLayerNormalization",
  "com.microsoft:QGemm",
  "com.microsoft:QuantizeLinear",
];

const DEFAULTS: QuantizationOptions = quantizationOptionsSchema.parse({});

export interface QuantizeSettings extends QuantizationOptions {
  /** The ranges of every one of `valuesToCalibrate` with the same options; a missing one is a bug. */
  readonly ranges: ReadonlyMap<string, ActivationRange>;
  /** The model as ONNX Runtime's basic level saves it, for the passes whose source that is; the model itself when left out. */
  readonly folded: Uint8Array;
}

/**
 * Quantizes a model by one pass.
 *
 * @param bytes an admitted fp32 model; not changed
 * @param where the file or artifact, for failures
 * @param settings options left out have their defaults
 * @throws Failure MODEL_NOT_ONNX; QUANTIZATION_UNSUPPORTED when the model is quantized already, is too old for the pass, or
 *   has no node worth quantizing, with the reasons
 */
export function quantizeModel(
  bytes: Uint8Array,
  passName: QuantizationPassName,
  where: string,
  settings: Partial<QuantizeSettings> = {},
): QuantizationResult {
  const pass = quantizationPass(passName);
  const { folded, ranges = new Map(), ...options } = settings;
  const original = parseForPass(bytes, pass, where);
  const model = parseForPass(sourceOf(pass, bytes, folded), pass, where);
  const nodes = pass.rewrite(model, { ...DEFAULTS, ...options, ranges, original });
  if (nodes.every(({ action }) => action === "left")) throw refusal(where, summarize(nodes, pass.operators));
  const result = serializeModel(model);
  return { pass: passName, model: result, nodes, sourceBytes: bytes.length, sizeBytes: result.length };
}

/**
 * The values of a model whose ranges a pass must be given, in the order of the graph; none for a pass that needs no data.
 *
 * @throws Failure as `quantizeModel`, but for a model without a node worth quantizing, which has no values
 */
export function valuesToCalibrate(
  bytes: Uint8Array,
  passName: QuantizationPassName,
  where: string,
  { folded, ...options }: Partial<Omit<QuantizeSettings, "ranges">> = {},
): readonly string[] {
  const pass = quantizationPass(passName);
  const model = parseForPass(sourceOf(pass, bytes, folded), pass, where);
  return pass.calibrated === null ? [] : pass.calibrated(model, { ...DEFAULTS, ...options });
}

const sourceOf = ({ source }: QuantizationPass, bytes: Uint8Array, folded: Uint8Array | undefined): Uint8Array =>
  source === "folded" ? (folded ?? bytes) : bytes;

const refusal = (where: string, found: string) => new Failure("QUANTIZATION_UNSUPPORTED", { where, found });

function parseForPass(bytes: Uint8Array, pass: QuantizationPass, where: string): OnnxModel {
  const model = parseModel(bytes, where);
  const quantized = operatorsOf(model).find(
    (operator) => QUANTIZED_OPERATORS.includes(operator) || /^(com\.microsoft:)?QLinear/.test(operator),
  );
  if (quantized !== undefined) throw refusal(where, `it is quantized already, it has ${quantized} nodes`);
  const opset = model.opsetImports.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0;
  if (opset < pass.minimumOpset) {
    throw refusal(where, `operator set ${opset}, ${pass.name} needs ${pass.minimumOpset} or newer`);
  }
  return model;
}

function operatorsOf(model: OnnxModel): string[] {
  const nodes = [...allNodes(model.graph?.nodes ?? [])];
  return nodes.map((node) => (isDefaultDomain(node) ? node.opType : `${node.domain}:${node.opType}`));
}

/** The reasons, each once with the number of nodes it held for, the most frequent first. */
function summarize(nodes: readonly NodeAction[], operators: QuantizationPass["operators"]): string {
  if (nodes.length === 0) {
    return typeof operators === "string" ? "no node reads a constant" : `no ${operators.join(", ")} node`;
  }
  const counts = new Map<string, number>();
  for (const { operator, reason } of nodes) {
    const line = `${operator}: ${reason}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = [...counts].toSorted((a, b) => b[1] - a[1]).map(([line, count]) => `${count} ${line}`);
  const shown = lines.slice(0, 3).join("; ");
  return lines.length > 3 ? `${shown}; and ${lines.length - 3} more reasons` : shown;
}
