import type { Guardrail } from "../../contracts/names.ts";
import type { EpochCounts, GuardrailSettings } from "../../contracts/rollout.ts";
import type { EventRates } from "./expected-counts.ts";
import { levelAboveEvidence, levelBelowEvidence } from "./rate-level-evidence.ts";
import { mostMoved, noShiftEvidence, shiftEvidence, splitRanges } from "./prediction-shift-evidence.ts";
import { ratioAboveEvidence, ratioBelowEvidence } from "./rate-ratio-evidence.ts";
import { assignedShare } from "./assigned-share.ts";
import type { GuardrailTally } from "./rate-ratio.ts";

export interface GuardrailEvidence {
  /** e-value against "not worse". */
  readonly harm: number;
  /** e-value against "worse than the margin". */
  readonly safety: number;
}

/** A guardrail describes itself: what it counts, whether it can be judged without a champion, how counts become evidence. */
export interface GuardrailRule<Name extends Guardrail> {
  readonly name: Name;
  /** What an event is, for sentences: "12 of 800 requests were ...". */
  readonly event: string;
  readonly trial: string;
  readonly needsChampion: boolean;
  /** True when it compares what came true: then labels must come for both arms alike. */
  readonly usesLabels: boolean;
  /** Which of the traffic's rates its events have; null for one that no single rate tells. */
  readonly baseRate: "errorShare" | "slowShare" | "wrongShare" | null;
  /** The rate of events up to which a canary is promoted, fixed before it starts; null for what is only ever compared. */
  readonly level: (settings: Extract<GuardrailSettings, { name: Name }>) => number | null;
  /** Rates of a canary that is worse by the factor: what a plan's duration depends on. */
  readonly worsen: (rates: EventRates, ratio: number) => EventRates;
  /** What a person is shown; where there is a choice, of the events with the most harm. */
  readonly tally: (counts: readonly EpochCounts[]) => readonly GuardrailTally[];
  readonly judge: (
    settings: Extract<GuardrailSettings, { name: Name }>,
    counts: readonly EpochCounts[],
    hasChampion: boolean,
  ) => GuardrailEvidence;
}

const errorRate: GuardrailRule<"error-rate"> = {
  name: "error-rate",
  event: "errors",
  trial: "requests",
  needsChampion: false,
  usesLabels: false,
  baseRate: "errorShare",
  worsen: (rates, ratio) => ({ ...rates, errorShare: Math.min(1, rates.errorShare * ratio) }),
  level: ({ atMost }) => atMost,
  tally: (counts) => tallies(counts, "errors", "requests"),
  judge: ({ atMost }, counts, hasChampion) => {
    const found = tallies(counts, "errors", "requests");
    const canary = ofCanary(found);
    const aboveLevel = levelAboveEvidence(canary, atMost);
    return {
      // The smaller of two e-values is one against "below the level or no worse than the champion": an outage that both arms
      // share is no fault of the canary.
      harm: hasChampion ? Math.min(aboveLevel, ratioAboveEvidence(found, 1)) : aboveLevel,
      safety: levelBelowEvidence(canary, atMost),
    };
  },
};

const latency: GuardrailRule<"latency"> = {
  name: "latency",
  event: "slow",
  trial: "requests",
  needsChampion: true,
  usesLabels: false,
  baseRate: "slowShare",
  worsen: (rates, ratio) => ({ ...rates, slowShare: Math.min(1, rates.slowShare * ratio) }),
  level: ({ quantile, maximumRatio }) => (1 - quantile) * maximumRatio,
  tally: (counts) => tallies(counts, "slow", "requests"),
  judge: ({ quantile, maximumRatio }, counts) => {
    const found = tallies(counts, "slow", "requests");
    const canary = ofCanary(found);
    const ratio = judgeRatio(found, maximumRatio);
    // The threshold is the champion's own quantile, so 1 - quantile of its requests are slow when all is well.
    const level = 1 - quantile;
    return {
      // Slower than a champion that hardly ever is slow harms nobody: the rate must also exceed what the champion had when frozen.
      harm: Math.min(levelAboveEvidence(canary, level), ratio.harm),
      // Against "slower by the factor and slow in itself": the mean of two e-values is one against both at once. Without it a
      // quiet endpoint, on which nothing is slow, could never show that its canary is not.
      safety: (ratio.safety + levelBelowEvidence(canary, level * maximumRatio)) / 2,
    };
  },
};

const wrongLabelRate: GuardrailRule<"wrong-label-rate"> = {
  name: "wrong-label-rate",
  event: "wrong",
  trial: "labelled requests",
  needsChampion: true,
  usesLabels: true,
  baseRate: "wrongShare",
  worsen: (rates, ratio) => ({ ...rates, wrongShare: Math.min(1, rates.wrongShare * ratio) }),
  level: () => null,
  // Labels come late but equally late in both arms of an epoch, so labelled requests split as the requests did.
  tally: (counts) => tallies(counts, "wrong", "labelled"),
  judge: ({ maximumRatio }, counts) => judgeRatio(tallies(counts, "wrong", "labelled"), maximumRatio),
};

const predictionShift: GuardrailRule<"prediction-shift"> = {
  name: "prediction-shift",
  event: "in the range that moved most",
  trial: "answers",
  needsChampion: true,
  usesLabels: false,
  baseRate: null,
  worsen: (rates, ratio) => ({ ...rates, firstRangeRatio: rates.firstRangeRatio * ratio }),
  level: () => null,
  tally: (counts) => mostMoved(splitRanges(counts)),
  judge: ({ maximumRatio }, counts) => {
    const ranges = splitRanges(counts);
    return { harm: shiftEvidence(ranges, maximumRatio), safety: noShiftEvidence(ranges, maximumRatio) };
  },
};

function tallies(
  counts: readonly EpochCounts[],
  events: "errors" | "slow" | "wrong",
  trials: "requests" | "labelled",
): GuardrailTally[] {
  return counts.map((one) => ({
    epoch: one.epoch,
    canaryShare: assignedShare(one),
    events: one[events],
    trials: one[trials],
  }));
}

const ofCanary = (found: readonly GuardrailTally[]) =>
  found.map(({ epoch, events, trials }) => ({ epoch, events: events.canary, trials: trials.canary }));

function judgeRatio(found: readonly GuardrailTally[], maximumRatio: number): GuardrailEvidence {
  return { harm: ratioAboveEvidence(found, 1), safety: ratioBelowEvidence(found, maximumRatio) };
}

/** Registry of guardrails: one rule each, one line here. */
const guardrails = {
  "error-rate": errorRate,
  latency,
  "wrong-label-rate": wrongLabelRate,
  "prediction-shift": predictionShift,
} satisfies { [Name in Guardrail]: GuardrailRule<Name> };

/** Every rule, seen by what all of them can do. */
export function guardrailRule<Name extends Guardrail>(name: Name): GuardrailRule<Name> {
  return guardrails[name] as unknown as GuardrailRule<Name>;
}
