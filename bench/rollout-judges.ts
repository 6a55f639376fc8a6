import { rolloutPlanSchema, type EpochCounts } from "../contracts/rollout.ts";
import { judgeRollout } from "../core/rollout/judge.ts";

/** What a judge sees at a look: the counts of every step so far, and what the last look interval added to the canary's. */
export interface Seen {
  readonly step: number;
  readonly counts: readonly EpochCounts[];
  readonly lately: { readonly requests: number; readonly events: number };
}

export interface Judge {
  readonly name: string;
  /** A fresh judge of one rollout, asked at each look: whether the canary is rolled back now. */
  readonly watch: (steps: readonly number[]) => (seen: Seen) => boolean;
}

const RATE = 0.05;
export const MARGIN = 1.5;
/** Off, so that what is measured is the other side. */
const NEVER = 1e-12;

/** The guardrail that is nothing but a comparison of rates; those of errors and latency compare the same way and ask for more. */
export function comparisonPlan(steps: readonly number[], of: "rollback" | "promotion") {
  return rolloutPlanSchema.parse({
    steps,
    minimumRequestsPerStep: 1,
    guardrails: [{ name: "wrong-label-rate", maximumRatio: MARGIN }],
    falseRollbackRate: of === "rollback" ? RATE : NEVER,
    falsePromotionRate: of === "promotion" ? RATE : NEVER,
  });
}

const ours: Judge = {
  name: "Modelwright",
  watch: (steps) => {
    const plan = comparisonPlan(steps, "rollback");
    return ({ step, counts }) => judgeRollout({ plan, step, counts, firstDeployment: false }).verdict === "rollback";
  },
};

/**
 * Robbins' mixture over all shares, the one of confseq's `beta_binomial_mixture_bound`, prior centred on the null; a step's product with those
 * before it, for the share differs by step. Two-sided, so only counted where the canary has more than its part.
 */
const betaMixture: Judge = {
  name: "confseq mixture",
  watch: () => (seen) => {
    let log = 0;
    let excess = 0;
    for (const { canaryShare, wrong } of seen.counts) {
      log += logBetaMixture(wrong.canary, wrong.champion, canaryShare);
      excess += wrong.canary - (wrong.canary + wrong.champion) * canaryShare;
    }
    return excess > 0 && log >= Math.log(1 / RATE);
  },
};

/** Pooled over all steps, one-sided, at 5 % again at each look: what a dashboard does. */
const repeatedTest: Judge = {
  name: "repeated z-test",
  watch: () => (seen) => {
    const total = (of: "requests" | "wrong", arm: "canary" | "champion") =>
      seen.counts.reduce((sum, one) => sum + one[of][arm], 0);
    const [canary, champion] = [total("requests", "canary"), total("requests", "champion")];
    const pooled = (total("wrong", "canary") + total("wrong", "champion")) / (canary + champion);
    const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / champion));
    const difference = total("wrong", "canary") / canary - total("wrong", "champion") / champion;
    return deviation > 0 && difference / deviation > 1.6449;
  },
};

/** At least 98 % good in each interval, the fourth interval that is not rolls back: the shape of a metric with a failure limit. */
const fixedThreshold: Judge = {
  name: "fixed threshold",
  watch: () => {
    let failed = 0;
    return ({ lately }) => {
      if (lately.requests > 0 && lately.events / lately.requests > 0.02) failed += 1;
      return failed > 3;
    };
  },
};

/** Ours first. */
export const judges: readonly Judge[] = [ours, betaMixture, repeatedTest, fixedThreshold];

function logBetaMixture(hits: number, misses: number, nullShare: number): number {
  const [a, b] = [2 * nullShare, 2 * (1 - nullShare)];
  const marginal = logBeta(a + hits, b + misses) - logBeta(a, b);
  return marginal - hits * Math.log(nullShare) - misses * Math.log(1 - nullShare);
}

const logBeta = (a: number, b: number) => logGamma(a) + logGamma(b) - logGamma(a + b);

/** Stirling's series after moving to 10 or more: eleven digits. */
function logGamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 10; at += 1) shift += Math.log(at);
  const inverse = 1 / at;
  const series = inverse / 12 - inverse ** 3 / 360 + inverse ** 5 / 1260;
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series - shift;
}
