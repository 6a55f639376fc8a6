import { QUANTIZATION_PASSES, type QuantizationPassName } from "../../contracts/names.ts";
import { dynamicInt8 } from "./dynamic-int8.ts";
import { foldFp32 } from "./fold-fp32.ts";
import type { QuantizationPass } from "./pass.ts";
import { staticInt8 } from "./static-int8.ts";
import { storeF16 } from "./store-f16.ts";
import { storeInt8 } from "./store-int8.ts";
import { weightOnlyInt4 } from "./weight-only-int4.ts";

const PASSES: Record<QuantizationPassName, QuantizationPass> = {
  "fold-fp32": foldFp32,
  "store-f16": storeF16,
  "store-int8": storeInt8,
  "dynamic-int8": dynamicInt8,
  "static-int8": staticInt8,
  "weight-only-int4": weightOnlyInt4,
};

/** Every pass, in the order of their names' declaration. */
export const quantizationPasses: readonly QuantizationPass[] = QUANTIZATION_PASSES.map((name) => PASSES[name]);

export const quantizationPass = (name: QuantizationPassName): QuantizationPass => PASSES[name];
