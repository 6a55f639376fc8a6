import type { EvaluationSettings, GateResult } from "../../contracts/evaluation.ts";
import type { Verdict } from "../../contracts/names.ts";
import type { Gate } from "../../contracts/evaluation.ts";
import { judgeGate, passWithoutChampion, type GateEvidence } from "./judge-gate.ts";

/** Where gates get what they judge. */
export interface GateSource {
  readonly hasChampion: boolean;
  /** The evidence a gate asks for, intervals already as wide as its number of slices demands. */
  readonly evidenceFor: (gate: Gate) => readonly GateEvidence[];
}

/**
 * Judges every gate and all of them together: one failure fails, else one open question leaves it inconclusive. No gates
 * fail: nothing was proven.
 */
export function judgeGates(
  { gates }: Pick<EvaluationSettings, "gates">,
  { hasChampion, evidenceFor }: GateSource,
): { gates: GateResult[]; verdict: Verdict } {
  const results = gates.map((gate) =>
    gate.notWorseThanChampionBy !== undefined && !hasChampion
      ? passWithoutChampion(gate)
      : judgeGate(gate, evidenceFor(gate)),
  );
  return { gates: results, verdict: combine(results.map((result) => result.verdict)) };
}

function combine(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.length === 0 || verdicts.includes("fail")) return "fail";
  return verdicts.includes("inconclusive") ? "inconclusive" : "pass";
}
