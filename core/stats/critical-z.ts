import { normalQuantile } from "./normal-quantile.ts";

/** Half width, in standard errors, of a two-sided normal interval at `confidence` in (0, 1): 0.95 gives 1.96. */
export function criticalZ(confidence: number): number {
  return -normalQuantile((1 - confidence) / 2);
}
