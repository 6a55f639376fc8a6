import type { OptimizationReport, QuantizationOptions } from "../../contracts/optimization.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import type { OnnxModel } from "../onnx/model.ts";

/** What a pass did to one node, or why it left it. */
export type NodeAction = OptimizationReport["nodes"][string][number];

/** The smallest and largest value an activation took, or is to be able to take; finite, `low <= high`. */
export interface ActivationRange {
  readonly low: number;
  readonly high: number;
}

export interface PassSettings extends QuantizationOptions {
  /** Ranges of the values the pass calibrates, by name. */
  readonly ranges: ReadonlyMap<string, ActivationRange>;
  /** The model as it was given, beside the folded one that is rewritten; without a folded one the model itself. */
  readonly original: OnnxModel;
}

/** A quantization pass: one file that describes itself, one line in `registry.ts`. */
export interface QuantizationPass {
  readonly name: QuantizationPassName;
  /** One sentence for reports and `--help`. */
  readonly description: string;
  /** The options that change what it does, beside `nodesToExclude`. */
  readonly options: readonly Exclude<keyof QuantizationOptions, "nodesToExclude">[];
  /** `folded`: it rewrites the model as ONNX Runtime's basic level saves it, whose weights are whole. */
  readonly source: "original" | "folded";
  /** Operators of the default domain it reports on, each node of them; or every node, or every node that reads a constant. */
  readonly operators: readonly string[] | "every" | "constant-readers";
  /** The oldest default operator set that has what the pass emits. */
  readonly minimumOpset: number;
  /** False when a row's result depends on the rows it is batched with. */
  readonly batchInvariant: boolean;
  /** Whether what it quantizes is computed in integers, and not only stored in them. */
  readonly isInteger: boolean;
  /** Names of the values whose ranges `rewrite` must be given for this model; null for a pass that needs no data. */
  readonly calibrated: ((model: OnnxModel, options: QuantizationOptions) => readonly string[]) | null;
  /** Rewrites the model in place; a model it could do nothing for is left as it was. */
  readonly rewrite: (model: OnnxModel, settings: PassSettings) => NodeAction[];
}
