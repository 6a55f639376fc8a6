import type { OptimizationReport } from "../../contracts/optimization.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import type { OnnxModel } from "../onnx/model.ts";

/** What a pass did to one node, or why it left it. */
export type NodeAction = OptimizationReport["nodes"][string][number];

/** A quantization pass: one file that describes itself, one line in `registry.ts`. */
export interface QuantizationPass {
  readonly name: QuantizationPassName;
  /** One sentence for reports and `--help`. */
  readonly description: string;
  /** Operators of the default domain it looks at; it reports on every node of them. */
  readonly operators: readonly string[];
  /** The oldest default operator set that has what the pass emits. */
  readonly minimumOpset: number;
  /** False when a row's result depends on the rows it is batched with. */
  readonly batchInvariant: boolean;
  /** Rewrites the model in place; a model it could do nothing for is left as it was. */
  readonly rewrite: (model: OnnxModel) => NodeAction[];
}
