import type { EpochCounts } from "../contracts/rollout.ts";
import { judgeRollout } from "../core/rollout/judge.ts";
import { createRandom } from "../core/stats/random.ts";
import { binomial, emptyEpoch } from "../test/unit/rollout/simulate.ts";
import { comparisonPlan, judges, MARGIN, type Judge, type Seen } from "./rollout-judges.ts";

export interface Setting {
  readonly requestsPerMinute: number;
  /** Basis points; the looks are divided among them. */
  readonly steps: readonly number[];
}

export const SETTINGS: readonly Setting[] = [60, 600, 6000].flatMap((requestsPerMinute) =>
  [[1000], [5000], [100, 500, 2500, 5000]].map((steps) => ({ requestsPerMinute, steps })),
);

/** One a minute. */
export const LOOKS = 60;
const RATIOS = [1.5, 2, 3] as const;

/** Triples during the hour: where rates pooled over a ramp compare different times. */
const baseRate = (look: number) => 0.005 + (0.01 * look) / LOOKS;

export interface JudgeResult {
  readonly judge: string;
  /** Share of healthy canaries rolled back within the looks. */
  readonly falseRollback: number;
  /** Median look at which a canary with so many times the events is rolled back; null when fewer than half are. */
  readonly detection: readonly { readonly ratio: number; readonly medianLook: number | null }[];
  /** Share of canaries exactly at the margin that are promoted; for a judge without evidence for promotion, that are let through. */
  readonly falsePromotion: number;
}

/** All judges on the same simulated rollouts; the same number of runs always gives the same result. */
export function simulateSetting(setting: Setting, runs: number): JudgeResult[] {
  const healthy = detectionLooks(setting, 1, runs);
  const harmful = RATIOS.map((ratio) => ({ ratio, looks: detectionLooks(setting, ratio, runs) }));
  const promoted = promotedAtMargin(setting, runs);
  return judges.map(({ name }, index) => {
    const atMargin = harmful.find(({ ratio }) => ratio === MARGIN)?.looks[index] ?? [];
    return {
      judge: name,
      falseRollback: found(healthy[index] ?? []) / runs,
      detection: harmful.map(({ ratio, looks }) => ({ ratio, medianLook: median(looks[index] ?? []) })),
      falsePromotion: index === 0 ? promoted : 1 - found(atMargin) / runs,
    };
  });
}

/** For each judge and run, the look that rolls back; Infinity for none. */
function detectionLooks(setting: Setting, ratio: number, runs: number): number[][] {
  const looks: number[][] = judges.map(() => []);
  for (let seed = 1; seed <= runs; seed += 1) {
    const watching = judges.map((judge: Judge) => judge.watch(setting.steps));
    const decided = judges.map(() => Infinity);
    for (const [look, seen] of walk(setting, ratio, seed)) {
      for (const [index, rollsBack] of watching.entries()) {
        if (decided[index] === Infinity && rollsBack(seen)) decided[index] = look;
      }
      if (decided.every((at) => at < Infinity)) break;
    }
    for (const [index, at] of decided.entries()) looks[index]?.push(at);
  }
  return looks;
}

function promotedAtMargin(setting: Setting, runs: number): number {
  const plan = comparisonPlan(setting.steps, "promotion");
  let promoted = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    for (const [, { step, counts }] of walk(setting, MARGIN, seed)) {
      if (judgeRollout({ plan, step, counts, firstDeployment: false }).verdict !== "promote") continue;
      promoted += 1;
      break;
    }
  }
  return promoted / runs;
}

/** The looks of one rollout, from 1, with what is seen at each. */
function* walk({ requestsPerMinute, steps }: Setting, ratio: number, seed: number): Generator<[number, Seen]> {
  const generator = createRandom(seed);
  const random = () => generator.uniform();
  const counts: EpochCounts[] = [];
  for (let look = 1; look <= LOOKS; look += 1) {
    const step = Math.floor(((look - 1) * steps.length) / LOOKS);
    const share = (steps[step] ?? 0) / 10_000;
    const epoch = (counts[step] ??= emptyEpoch(step, share));
    const canary = binomial(random, requestsPerMinute, share);
    const added = { canary, champion: requestsPerMinute - canary };
    const events = {
      canary: binomial(random, added.canary, baseRate(look) * ratio),
      champion: binomial(random, added.champion, baseRate(look)),
    };
    for (const arm of ["canary", "champion"] as const) {
      epoch.requests[arm] += added[arm];
      epoch.labelled[arm] += added[arm];
      epoch.wrong[arm] += events[arm];
    }
    yield [look, { step, counts, lately: { requests: canary, events: events.canary } }];
  }
}

const found = (looks: readonly number[]) => looks.filter((look) => look < Infinity).length;

function median(looks: readonly number[]): number | null {
  const middle = looks.toSorted((a, b) => a - b)[Math.floor(looks.length / 2)] ?? Infinity;
  return middle < Infinity ? middle : null;
}
