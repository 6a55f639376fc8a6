import type { Estimate } from "../../contracts/evaluation.ts";

export type DefinedEstimate = Extract<Estimate, { kind: "estimate" }>;

interface Parts {
  readonly estimate: number;
  readonly interval: readonly [number, number];
  readonly range: readonly [number, number];
  readonly confidence: number;
  readonly sampleCount: number;
  readonly method: Readonly<Record<string, string | number>>;
}

/** An estimate whose interval is cut to the possible range and always holds the estimate. */
export function createEstimate({ estimate, interval, range, confidence, sampleCount, method }: Parts): DefinedEstimate {
  const low = Math.max(range[0], Math.min(interval[0], estimate));
  const high = Math.min(range[1], Math.max(interval[1], estimate));
  return { kind: "estimate", estimate, interval: [low, high], confidence, sampleCount, method: { ...method } };
}

/** The tagged absence of a value. */
export function createUndefined(reason: string, sampleCount: number): Estimate {
  return { kind: "undefined", reason, sampleCount };
}
