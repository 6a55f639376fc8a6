import type { OptimizationReport } from "../../contracts/optimization.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import type { OnnxModel } from "../onnx/model.ts";

/** What a pass did to one node, or why it left it. */
export type NodeAction = OptimizationReport["nodes"][string][number];

/** The smallest and largest value an activation took, or is to be able to take; finite, `low <= high`. */
export interface ActivationRange {
  readonly low: number;
  readonly high: number;
}

export interface PassSettings {
  /** Ranges of the values the pass calibrates, by name. */
  readonly ranges: ReadonlyMap<string, ActivationRange>;
  /** Weights within 7 bits: processors without VNNI then cannot overflow the 16 bits they add pairs of products in. */
  readonly reduceRange: boolean;
}

/** A quantization pass: one file that describes itself, one line in `registry.ts`. */
export interface QuantizationPass {
  readonly name: QuantizationPassName;
  /** One sentence for reports and `--help`. */
  readonly description: string;
  /** Operators of the default domain it reports on, each node of them; null for every node that reads a constant. */
  readonly operators: readonly string[] | null;
  /** The oldest default operator set that has what the pass emits. */
  readonly minimumOpset: number;
  /** False when a row's result depends on the rows it is batched with. */
  readonly batchInvariant: boolean;
  /** Names of the values whose ranges `rewrite` must be given for this model; null for a pass that needs no data. */
  readonly calibrated: ((model: OnnxModel) => readonly string[]) | null;
  /** Rewrites the model in place; a model it could do nothing for is left as it was. */
  readonly rewrite: (model: OnnxModel, settings: PassSettings) => NodeAction[];
}
