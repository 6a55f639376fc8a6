import { Failure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import { quantizationOptionsSchema, type QuantizationOptions } from "../../contracts/optimization.ts";
import { parseModel, serializeModel, type OnnxModel } from "../onnx/model.ts";
import { allNodes } from "../onnx/walk.ts";
import type { ActivationRange, NodeAction, QuantizationPass } from "./pass.ts";
import { actionsOfTrees, KEEP_FP32, refuseKind, refuseModel, type Refusal } from "./refuse.ts";
import { quantizationPass } from "./registry.ts";

export interface QuantizationResult {
  readonly pass: QuantizationPassName;
  /** The quantized model; the same bytes for the same model and pass on any machine. */
  readonly model: Uint8Array;
  /** One entry for every node of the pass's operators, and one for every tree ensemble. */
  readonly nodes: readonly NodeAction[];
  readonly sourceBytes: number;
  readonly sizeBytes: number;
}

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
 *   has no node worth quantizing, with the reasons and what to do instead
 */
export function quantizeModel(
  bytes: Uint8Array,
  passName: QuantizationPassName,
  where: string,
  settings: Partial<QuantizeSettings> = {},
): QuantizationResult {
  const pass = quantizationPass(passName);
  const { folded, ranges = new Map(), ...options } = settings;
  const source = sourceOf(pass, bytes, folded);
  const model = parseForPass(source, pass, where);
  // Reading is half of the time a small model takes the first time: what is not another model is read once.
  const original = source === bytes ? model : parseForPass(bytes, pass, where);
  const nodes = pass.rewrite(model, { ...DEFAULTS, ...options, ranges, original });
  if (nodes.every(({ action }) => action === "left")) {
    throw new Failure("QUANTIZATION_UNSUPPORTED", { where, ...refuseAll(original, pass, nodes) });
  }
  if (pass.source === "folded") dropUnusedImports(model, original);
  const result = serializeModel(model);
  return {
    pass: passName,
    model: result,
    nodes: [...nodes, ...actionsOfTrees(model)],
    sourceBytes: bytes.length,
    sizeBytes: result.length,
  };
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

/** ONNX Runtime declares every domain it knows in what it saves: those that neither the original nor a node names go. */
function dropUnusedImports(model: OnnxModel, original: OnnxModel): void {
  const lists = [model.graph?.nodes ?? [], ...model.functions.map(({ nodes }) => nodes)];
  const used = new Set([
    ...original.opsetImports.map(({ domain }) => domain),
    ...lists.flatMap((nodes) => [...allNodes(nodes)].map(({ domain }) => domain)),
  ]);
  model.opsetImports = model.opsetImports.filter(({ domain }) => domain === "" || used.has(domain));
}

function parseForPass(bytes: Uint8Array, pass: QuantizationPass, where: string): OnnxModel {
  const model = parseModel(bytes, where);
  const refused = refuseModel(model);
  if (refused !== undefined) throw new Failure("QUANTIZATION_UNSUPPORTED", { where, ...refused });
  const opset = model.opsetImports.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 0;
  if (opset < pass.minimumOpset) {
    const found = `operator set ${opset}, ${pass.name} needs ${pass.minimumOpset} or newer`;
    const instead = `export it with operator set ${pass.minimumOpset}, or ${KEEP_FP32}`;
    throw new Failure("QUANTIZATION_UNSUPPORTED", { where, found, instead });
  }
  return model;
}

/** Why none of the nodes a pass looked at was quantized. */
function refuseAll(model: OnnxModel, pass: QuantizationPass, nodes: readonly NodeAction[]): Refusal {
  const kind = nodes.length === 0 ? refuseKind(model, pass.operators) : undefined;
  return kind ?? { found: summarize(nodes), instead: KEEP_FP32 };
}

/** The reasons, each once with the number of nodes it held for, the most frequent first. */
function summarize(nodes: readonly NodeAction[]): string {
  if (nodes.length === 0) return "no node reads a constant";
  const counts = new Map<string, number>();
  for (const { operator, reason } of nodes) {
    const line = `${operator}: ${reason}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  const lines = [...counts].toSorted((a, b) => b[1] - a[1]).map(([line, count]) => `${count} ${line}`);
  const shown = lines.slice(0, 3).join("; ");
  return lines.length > 3 ? `${shown}; and ${lines.length - 3} more reasons` : shown;
}
