import type { ArmCounts, EpochCounts } from "../../contracts/rollout.ts";
import { assignedShare } from "./assigned-share.ts";
import { capEvidence } from "./evidence.ts";
import { type EventSplit, ratioAboveEvidence, ratioBelowEvidence } from "./rate-ratio-evidence.ts";
import type { GuardrailTally } from "./rate-ratio.ts";

/** The answers of one range of predictions, epoch by epoch. */
export type RangeTallies = readonly GuardrailTally[];

/** Counts by range instead of by epoch, lowest range first; an epoch without ranges has no answers in any. */
export function splitRanges(counts: readonly EpochCounts[]): RangeTallies[] {
  const rangeCount = Math.max(0, ...counts.map(({ ranges }) => ranges?.length ?? 0));
  return Array.from({ length: rangeCount }, (_, range) =>
    counts.map((one) => ({
      epoch: one.epoch,
      canaryShare: assignedShare(one),
      events: one.ranges?.[range] ?? none,
      trials: { champion: total(one.ranges, "champion"), canary: total(one.ranges, "canary") },
    })),
  );
}

/**
 * e-value against "no range of predictions is more than `maximumRatio` times more, or less, frequent in the canary": the mean over
 * ranges and directions of `ratioAboveEvidence`, of the champion's point of view for the second direction. An average of e-values for
 * parts of a hypothesis is one for the whole. The base rate of a range may drift: arms are compared, never today with the reference.
 * 1 without ranges. A better model may predict otherwise; that is what the margin is for.
 * @returns in [0, EVIDENCE_CAP], higher is more shift
 */
export function shiftEvidence(ranges: readonly RangeTallies[], maximumRatio: number): number {
  if (ranges.length === 0) return 1;
  const sum = ranges.reduce((found, splits) => found + movedEvidence(splits, maximumRatio), 0);
  return capEvidence(sum / ranges.length);
}

/**
 * e-value against "some range is at least `maximumRatio` times more, or less, frequent in the canary": the smallest over ranges and directions, because
 * whichever range has moved, its own e-value rarely grows. A range that never occurs keeps it at 1, as no data at all does.
 * @returns in [0, EVIDENCE_CAP], higher is safer
 */
export function noShiftEvidence(ranges: readonly RangeTallies[], maximumRatio: number): number {
  const each = ranges.flatMap((splits) => [
    ratioBelowEvidence(splits, maximumRatio),
    ratioBelowEvidence(splits.map(mirrored), maximumRatio),
  ]);
  return each.length === 0 ? 1 : Math.min(...each);
}

/** The range with the most evidence of a shift, for people to see; empty without ranges. */
export function mostMoved(ranges: readonly RangeTallies[]): RangeTallies {
  let most: { readonly splits: RangeTallies; readonly evidence: number } | null = null;
  for (const splits of ranges) {
    const evidence = movedEvidence(splits, 1);
    if (most === null || evidence > most.evidence) most = { splits, evidence };
  }
  return most?.splits ?? [];
}

function movedEvidence(splits: RangeTallies, maximumRatio: number): number {
  return (ratioAboveEvidence(splits, maximumRatio) + ratioAboveEvidence(splits.map(mirrored), maximumRatio)) / 2;
}

/** The same events with the arms' parts exchanged: fewer in the canary is more in the champion. */
const mirrored = ({ epoch, canaryShare, events }: EventSplit): EventSplit => ({
  epoch,
  canaryShare: 1 - canaryShare,
  events: { champion: events.canary, canary: events.champion },
});

const none: ArmCounts = { champion: 0, canary: 0 };

const total = (ranges: readonly ArmCounts[] | undefined, arm: keyof ArmCounts): number =>
  (ranges ?? []).reduce((sum, range) => sum + range[arm], 0);
