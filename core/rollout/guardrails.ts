import type { Guardrail } from "../../contracts/names.ts";
import type { ArmCounts, EpochCounts, GuardrailSettings } from "../../contracts/rollout.ts";
import type { EventRates } from "./expected-counts.ts";
import { levelAboveEvidence, levelBelowEvidence } from "./rate-level-evidence.ts";
import { type EventSplit, ratioAboveEvidence, ratioBelowEvidence } from "./rate-ratio-evidence.ts";

/** Events and trials of one guardrail in one epoch. */
export interface GuardrailTally extends EventSplit {
  readonly trials: ArmCounts;
}

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
  /** Which of the champion's rates the events have: what a plan's duration depends on. */
  readonly rate: keyof EventRates;
  readonly tally: (counts: EpochCounts) => GuardrailTally;
  readonly judge: (
    settings: Extract<GuardrailSettings, { name: Name }>,
    tallies: readonly GuardrailTally[],
    hasChampion: boolean,
  ) => GuardrailEvidence;
}

const errorRate: GuardrailRule<"error-rate"> = {
  name: "error-rate",
  event: "errors",
  trial: "requests",
  needsChampion: false,
  rate: "errorShare",
  tally: ({ canaryShare, errors, requests }) => ({ canaryShare, events: errors, trials: requests }),
  judge: ({ atMost }, tallies, hasChampion) => {
    const canary = tallies.map(({ events, trials }) => ({ events: events.canary, trials: trials.canary }));
    const aboveLevel = levelAboveEvidence(canary, atMost);
    return {
      // The smaller of two e-values is one against "below the level or no worse than the champion": an outage that both arms
      // share is no fault of the canary.
      harm: hasChampion ? Math.min(aboveLevel, ratioAboveEvidence(tallies, 1)) : aboveLevel,
      safety: levelBelowEvidence(canary, atMost),
    };
  },
};

const latency: GuardrailRule<"latency"> = {
  name: "latency",
  event: "slow",
  trial: "requests",
  needsChampion: true,
  rate: "slowShare",
  tally: ({ canaryShare, slow, requests }) => ({ canaryShare, events: slow, trials: requests }),
  judge: ({ quantile, maximumRatio }, tallies) => {
    const canary = tallies.map(({ events, trials }) => ({ events: events.canary, trials: trials.canary }));
    const ratio = judgeRatio(tallies, maximumRatio);
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
  rate: "wrongShare",
  // Labels come late but equally late in both arms of an epoch, so labelled requests split as the requests did.
  tally: ({ canaryShare, wrong, labelled }) => ({ canaryShare, events: wrong, trials: labelled }),
  judge: ({ maximumRatio }, tallies) => judgeRatio(tallies, maximumRatio),
};

function judgeRatio(tallies: readonly GuardrailTally[], maximumRatio: number): GuardrailEvidence {
  return { harm: ratioAboveEvidence(tallies, 1), safety: ratioBelowEvidence(tallies, maximumRatio) };
}

/** Registry of guardrails: one rule each, one line here. */
const guardrails = {
  "error-rate": errorRate,
  latency,
  "wrong-label-rate": wrongLabelRate,
} satisfies { [Name in Guardrail]: GuardrailRule<Name> };

/** Every rule, seen by what all of them can do. */
export function guardrailRule<Name extends Guardrail>(name: Name): GuardrailRule<Name> {
  return guardrails[name] as unknown as GuardrailRule<Name>;
}
