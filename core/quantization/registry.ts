import { QUANTIZATION_PASSES, type QuantizationPassName } from "../../contracts/names.ts";
import { dynamicInt8 } from "./dynamic-int8.ts";
import type { QuantizationPass } from "./pass.ts";

const PASSES: Record<QuantizationPassName, QuantizationPass> = {
  "dynamic-int8": dynamicInt8,
};

/** Every pass, in the order of their names' declaration. */
export const quantizationPasses: readonly QuantizationPass[] = QUANTIZATION_PASSES.map((name) => PASSES[name]);

export const quantizationPass = (name: QuantizationPassName): QuantizationPass => PASSES[name];
