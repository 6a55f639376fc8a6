import { binomialLogRatio, capEvidence, mixEvidence, withFreshStarts } from "./evidence.ts";

/** Trials of one epoch in one arm. */
export interface Trials {
  readonly epoch: number;
  readonly events: number;
  readonly trials: number;
}

const HARM_MULTIPLES = [1.25, 1.5, 2, 3, 5, 10, 30] as const;
const SAFE_MULTIPLES = [0, 0.1, 0.25, 0.5, 0.75] as const;

/**
 * e-value against "an event has at most probability `level` in every trial": mixture of binomial likelihood ratios over seven
 * higher rates (those that would exceed 1 stand for 0.99 between the level and 1), with fresh starts by epoch.
 * 1 without trials. At level 1 nothing can be worse: 1 always. At level 0 one event is proof.
 * @returns in [0, EVIDENCE_CAP], higher is more harm
 */
export function levelAboveEvidence(epochs: readonly Trials[], level: number): number {
  if (level >= 1) return 1;
  const weight = 1 / HARM_MULTIPLES.length;
  const rates = HARM_MULTIPLES.map((multiple) =>
    level === 0 ? multiple / 100 : Math.min(level * multiple, level + 0.99 * (1 - level)),
  );
  return withFreshStarts(epochs, (part) =>
    mixEvidence(rates.map((rate) => ({ weight, logRatio: logRatio(part, rate, level) }))),
  );
}

/**
 * e-value against "an event has at least probability `level` in every trial": mixture over five lower rates, none among them.
 * 1 without trials. At level 0 nothing can be better: 1 always. No fresh starts, as for `ratioBelowEvidence`.
 * @returns in [0, EVIDENCE_CAP], higher is safer
 */
export function levelBelowEvidence(epochs: readonly Trials[], level: number): number {
  if (level <= 0) return 1;
  const weight = 1 / SAFE_MULTIPLES.length;
  return capEvidence(
    mixEvidence(SAFE_MULTIPLES.map((multiple) => ({ weight, logRatio: logRatio(epochs, level * multiple, level) }))),
  );
}

function logRatio(epochs: readonly Trials[], alternative: number, level: number): number {
  let events = 0;
  let misses = 0;
  for (const epoch of epochs) {
    events += epoch.events;
    misses += epoch.trials - epoch.events;
  }
  return binomialLogRatio(events, misses, alternative, level);
}
