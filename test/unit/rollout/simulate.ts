import { judgeRollout } from "../../../core/rollout/judge.ts";
import { createRandom } from "../../../core/stats/random.ts";
import type { ArmCounts, EpochCounts, RolloutLook, RolloutPlan } from "../../../contracts/rollout.ts";

export interface Rates {
  readonly errors: number;
  readonly slow: number;
  readonly wrong: number;
  /** Share of answers in the first of ten ranges of predictions, the rest being spread evenly; 0.1 unless told. */
  readonly firstRange?: number;
}

export interface World {
  readonly requestsPerLook: number;
  readonly champion: (look: number) => Rates;
  readonly canary: (look: number) => Rates;
  /** Share the gateways really send, given the intended one. */
  readonly actualShare?: (share: number) => number;
}

export interface Outcome {
  readonly verdict: "promote" | "rollback" | "hold";
  readonly looks: number;
  readonly last: RolloutLook;
}

/** Number of successes in `trials` by the waiting times between them. */
export function binomial(random: () => number, trials: number, share: number): number {
  if (share > 0.5) return trials - binomial(random, trials, 1 - share);
  if (share <= 0) return 0;
  const scale = Math.log1p(-share);
  let count = 0;
  let position = Math.floor(Math.log(1 - random()) / scale);
  while (position < trials) {
    count += 1;
    position += 1 + Math.floor(Math.log(1 - random()) / scale);
  }
  return count;
}

/** Walks a rollout through its steps, one look after each batch of requests, until the judge decides or the looks are used up. */
export function simulateRollout(
  plan: RolloutPlan,
  world: World,
  looks: number,
  seed: number,
  onLook: (look: RolloutLook) => void = () => undefined,
): Outcome {
  const generator = createRandom(seed);
  const random = () => generator.uniform();
  const counts: EpochCounts[] = [];
  let step = 0;
  for (let look = 0; ; look += 1) {
    const share = (plan.steps[step] ?? 0) / 10_000;
    let epoch = counts[step];
    if (!epoch) counts.push((epoch = emptyEpoch(step, share, plan)));
    const canary = binomial(random, world.requestsPerLook, (world.actualShare ?? ((same) => same))(share));
    add(epoch, "canary", canary, world.canary(look), random);
    add(epoch, "champion", world.requestsPerLook - canary, world.champion(look), random);
    const last = judgeRollout({ plan, step, counts, firstDeployment: false });
    onLook(last);
    if (last.verdict !== "hold" || look + 1 === looks) return { verdict: last.verdict, looks: look + 1, last };
    if (last.stepDone && step < plan.steps.length - 1) step += 1;
  }
}

function add(epoch: EpochCounts, arm: "canary" | "champion", requests: number, rates: Rates, random: () => number) {
  epoch.requests[arm] += requests;
  epoch.labelled[arm] += requests;
  epoch.errors[arm] += binomial(random, requests, rates.errors);
  epoch.slow[arm] += binomial(random, requests, rates.slow);
  epoch.wrong[arm] += binomial(random, requests, rates.wrong);
  if (epoch.ranges) spread(epoch.ranges, arm, requests, rates.firstRange ?? 0.1, random);
}

/** Answers by range: one multinomial draw, as binomials of what is left. */
function spread(
  ranges: ArmCounts[],
  arm: "canary" | "champion",
  requests: number,
  first: number,
  random: () => number,
): void {
  let [left, leftShare] = [requests, 1];
  for (const [index, range] of ranges.entries()) {
    const share = index === 0 ? first : (1 - first) / (ranges.length - 1);
    const last = index === ranges.length - 1;
    const drawn = last ? left : binomial(random, left, Math.min(1, share / leftShare));
    range[arm] += drawn;
    left -= drawn;
    leftShare -= share;
  }
}

/** With ten ranges of predictions where the plan has a guardrail on them. */
export function emptyEpoch(epoch: number, canaryShare: number, plan?: Pick<RolloutPlan, "guardrails">): EpochCounts {
  const none = () => ({ champion: 0, canary: 0 });
  const ranges = plan?.guardrails.some(({ name }) => name === "prediction-shift")
    ? { ranges: Array.from({ length: 10 }, none) }
    : {};
  return {
    epoch,
    canaryShare,
    requests: none(),
    errors: none(),
    slow: none(),
    labelled: none(),
    wrong: none(),
    ...ranges,
  };
}
