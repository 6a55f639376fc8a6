import type { ArmCounts } from "../../contracts/rollout.ts";
import { binomialLogRatio, capEvidence, mixEvidence, withFreshStarts } from "./evidence.ts";

/** Events of one routing epoch by arm, and the chance with which each of them was assigned to the canary, in [0, 1]. */
export interface EventSplit {
  readonly epoch: number;
  readonly canaryShare: number;
  readonly events: ArmCounts;
}

/** Ratios a harmful canary may have, as multiples of the null: from barely worse to broken. */
const HARM_MULTIPLES = [1.25, 1.5, 2, 3, 5, 10, 30] as const;

/**
 * e-value against "events are at most `nullRatio` times as frequent in the canary". Each event fell into the canary with
 * probability wr/(wr + 1 - w) at rate ratio r and share w, whatever the base rate of that moment was: shared traffic and a
 * drifting base rate cancel and w may differ by epoch, where a pooled comparison across a ramp is wrong (Simpson).
 * A mixture over seven alternatives, with fresh starts by epoch. 1 while there is no event; epochs where one arm had no share
 * say nothing.
 * Source: Lindon and Malek, Anytime-valid inference for multinomial count data (NeurIPS 2022).
 * @returns in [0, EVIDENCE_CAP], higher is more harm
 */
export function ratioAboveEvidence(splits: readonly EventSplit[], nullRatio: number): number {
  const weight = 1 / HARM_MULTIPLES.length;
  return withFreshStarts(splits, (part) =>
    mixEvidence(
      HARM_MULTIPLES.map((multiple) => ({ weight, logRatio: logRatio(part, nullRatio * multiple, nullRatio) })),
    ),
  );
}

/**
 * e-value against "events are at least `nullRatio` times as frequent in the canary". Half of the stake is on a ratio of 1,
 * which is what most good canaries have; the rest is spread from just below the null to far better.
 * No fresh starts: all epochs are needed together to show safety, and one in which the canary was bad must count.
 * @param nullRatio above 1
 * @returns in [0, EVIDENCE_CAP], higher is safer
 */
export function ratioBelowEvidence(splits: readonly EventSplit[], nullRatio: number): number {
  const alternatives = [
    { ratio: 1, weight: 0.5 },
    ...[Math.sqrt(nullRatio), 0.8, 0.5, 0.2].map((ratio) => ({ ratio, weight: 0.125 })),
  ];
  return capEvidence(
    mixEvidence(alternatives.map(({ ratio, weight }) => ({ weight, logRatio: logRatio(splits, ratio, nullRatio) }))),
  );
}

/** Chance that an event falls into the canary at this share and rate ratio. */
export function canaryEventShare(canaryShare: number, ratio: number): number {
  return (canaryShare * ratio) / (canaryShare * ratio + 1 - canaryShare);
}

function logRatio(splits: readonly EventSplit[], alternative: number, nullRatio: number): number {
  let sum = 0;
  for (const { canaryShare, events } of splits.filter(isShared)) {
    sum += binomialLogRatio(
      events.canary,
      events.champion,
      canaryEventShare(canaryShare, alternative),
      canaryEventShare(canaryShare, nullRatio),
    );
  }
  return sum;
}

function isShared({ canaryShare }: EventSplit): boolean {
  return canaryShare > 0 && canaryShare < 1;
}
