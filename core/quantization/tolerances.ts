import type { Gate, GateResult } from "../../contracts/evaluation.ts";
import type { Constraints, Tolerance } from "../../contracts/optimization.ts";
import { evaluateScores } from "../evaluation/evaluate-scores.ts";
import type { SliceColumn } from "../evaluation/slices.ts";

export interface LabelledPair {
  /** fp32's probabilities of the positive class, and the candidate's on the same rows. */
  readonly reference: Float64Array;
  readonly candidate: Float64Array;
  /** 0 or 1. */
  readonly labels: Uint8Array;
  /** One for each of `constraints.slices`. */
  readonly slices: readonly SliceColumn[];
  readonly threshold: number;
}

/**
 * Judges how much worse than fp32 a candidate is: each tolerance is the gate "not worse than the champion by", with fp32 as the champion,
 * so it passes only when the whole interval of the paired difference is inside. A share is taken of fp32's own value, so of a
 * value of 0 nothing may be lost.
 */
export function judgeTolerances(
  { reference, candidate, labels, slices, threshold }: LabelledPair,
  { tolerances, confidence, minimumSliceRows, slices: columns }: Constraints,
): GateResult[] {
  if (tolerances.length === 0) return [];
  const judge = (scores: Float64Array, gates: Gate[]) =>
    evaluateScores({
      scores,
      championScores: reference,
      labels,
      slices,
      threshold,
      championThreshold: threshold,
      settings: { gates, slices: columns, confidence, minimumSliceRows, calibrationBins: 15, seed: 1 },
    });
  const own = new Map(judge(reference, []).metrics.map(({ metric, value }) => [metric, value] as const));
  const gates = tolerances.map(({ metric, rows, ...tolerance }): Gate => {
    const value = own.get(metric);
    return {
      metric,
      rows,
      notWorseThanChampionBy: allowedDrop(tolerance, value?.kind === "estimate" ? value.estimate : 0),
    };
  });
  return judge(candidate, gates).gates;
}

function allowedDrop({ maximumDrop, maximumRelativeDrop }: Omit<Tolerance, "metric" | "rows">, own: number): number {
  return maximumDrop ?? Math.abs(own) * (maximumRelativeDrop ?? 0);
}
