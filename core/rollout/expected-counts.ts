import { BASIS_POINTS } from "../../contracts/names.ts";
import type { ArmCounts, EpochCounts, RolloutPlan } from "../../contracts/rollout.ts";
import type { Traffic } from "../../contracts/traffic.ts";

/** Rates of both arms; a healthy canary has the champion's. */
export interface ArmRates {
  readonly champion: EventRates;
  readonly canary: EventRates;
}
export interface EventRates extends Pick<Traffic, "errorShare" | "slowShare" | "wrongShare"> {
  /** How much more frequent the first of the equally frequent reference ranges of predictions is. */
  readonly firstRangeRatio: number;
}

/** How long each step of the plan has run, in looks. */
export type StepLooks = readonly number[];

/**
 * What the log would count on average after so many looks in each step; counts are not whole numbers, and evidence is as well defined
 * for them. `luck` moves every count of the canary's events by so many standard deviations of the whole rollout's: above 0 the
 * canary looks worse than it is. Labels count once they have arrived.
 */
export function expectedCounts(
  plan: Pick<RolloutPlan, "steps" | "lookIntervalMs" | "guardrails">,
  { traffic, rates, luck = 0 }: { readonly traffic: Traffic; readonly rates: ArmRates; readonly luck?: number },
  looks: StepLooks,
): EpochCounts[] {
  const endMs = looks.reduce((sum, count) => sum + count, 0) * plan.lookIntervalMs;
  const rangeCount = countRanges(plan);
  let startMs = 0;
  const epochs = looks.map((count, step): EpochCounts => {
    const lengthMs = count * plan.lookIntervalMs;
    const labelledMs = Math.min(lengthMs, Math.max(0, endMs - traffic.labelDelayMs - startMs));
    startMs += lengthMs;
    const canaryShare = (plan.steps[step] ?? 0) / BASIS_POINTS;
    const requests = split((traffic.requestsPerSecond * lengthMs) / 1000, canaryShare);
    const labelled = split((traffic.requestsPerSecond * traffic.labelledShare * labelledMs) / 1000, canaryShare);
    return {
      epoch: step + 1,
      canaryShare,
      requests,
      errors: events(requests, rates, "errorShare"),
      slow: events(requests, rates, "slowShare"),
      labelled,
      wrong: events(labelled, rates, "wrongShare"),
      ...(rangeCount > 0 && { ranges: rangesOf(requests, rates, rangeCount) }),
    };
  });
  return luck === 0 ? epochs : shifted(epochs, luck);
}

const split = (total: number, canaryShare: number): ArmCounts => ({
  champion: total * (1 - canaryShare),
  canary: total * canaryShare,
});

const events = (
  trials: ArmCounts,
  { champion, canary }: ArmRates,
  of: "errorShare" | "slowShare" | "wrongShare",
): ArmCounts => ({
  champion: trials.champion * champion[of],
  canary: trials.canary * canary[of],
});

/** Ranges of a plan with the guardrail; deciles where it names no edges. */
function countRanges({ guardrails }: Pick<RolloutPlan, "guardrails">): number {
  const shift = guardrails.find((one) => one.name === "prediction-shift");
  return shift ? (shift.edges?.length ?? 9) + 1 : 0;
}

function rangesOf(requests: ArmCounts, { champion, canary }: ArmRates, rangeCount: number): ArmCounts[] {
  const shareOf = ({ firstRangeRatio }: EventRates, range: number) => {
    const first = Math.min(0.99, firstRangeRatio / rangeCount);
    return range === 0 ? first : (1 - first) / (rangeCount - 1);
  };
  return Array.from({ length: rangeCount }, (_, range) => ({
    champion: requests.champion * shareOf(champion, range),
    canary: requests.canary * shareOf(canary, range),
  }));
}

/** The same bad luck in every epoch would add up to more than bad luck: each epoch gets its part of the whole deviation. */
function shifted(epochs: readonly EpochCounts[], luck: number): EpochCounts[] {
  const move = (of: "errors" | "slow" | "wrong", trials: "requests" | "labelled") => {
    const variances = epochs.map((one) => one[of].canary * (1 - one[of].canary / Math.max(1e-9, one[trials].canary)));
    const whole = Math.sqrt(variances.reduce((sum, variance) => sum + variance, 0));
    return (epoch: EpochCounts, index: number): ArmCounts => {
      const by = whole === 0 ? 0 : (luck * (variances[index] ?? 0)) / whole;
      const canary = Math.min(epoch[trials].canary, Math.max(0, epoch[of].canary + by));
      return { champion: epoch[of].champion, canary };
    };
  };
  const [errors, slow, wrong] = [move("errors", "requests"), move("slow", "requests"), move("wrong", "labelled")];
  return epochs.map((epoch, index) => ({
    ...epoch,
    errors: errors(epoch, index),
    slow: slow(epoch, index),
    wrong: wrong(epoch, index),
    ...(epoch.ranges && { ranges: shiftedRanges(epoch.ranges, luck) }),
  }));
}

/** One range too full beside one too empty: bad luck of a comparison of ranges. */
function shiftedRanges(ranges: readonly ArmCounts[], luck: number): ArmCounts[] {
  return ranges.map(({ champion, canary }, range) => ({
    champion,
    canary: Math.max(0, canary + (range % 2 === 0 ? luck : -luck) * Math.sqrt(canary)),
  }));
}
