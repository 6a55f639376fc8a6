import type { OptimizationReport, OptimizationSettings } from "../../contracts/optimization.ts";
import { costPerThousand, findExcess, percent, reasonOutside, type Excess, type Measured } from "./constraints.ts";
import { cheapest, objectiveOf, runRatios, type Objective } from "./objective.ts";
import { paretoFront } from "./pareto.ts";
import { servingWay } from "./serving-way.ts";

/** The candidate that is the original model; it can always be chosen. */
export const ORIGINAL = "fp32";

export interface CandidateChoice extends Pick<OptimizationReport, "outcome" | "chosen" | "serving"> {
  /** One sentence: why this one. */
  readonly reason: string;
  /** For every candidate that could not be chosen, why; the chosen and the merely beaten ones are not in it. */
  readonly refused: ReadonlyMap<string, string>;
  /** The constraints each candidate does not keep. */
  readonly unmet: ReadonlyMap<string, readonly string[]>;
  readonly front: ReadonlySet<string>;
}

type ChoiceSettings = Pick<
  OptimizationSettings,
  "objective" | "maximumDisagreementShare" | "constraints" | "pricePerCoreHour"
>;

interface Ranked {
  readonly candidate: Measured;
  readonly ratio: number;
  readonly excess: readonly Excess[];
}

/**
 * Chooses among measured candidates, fp32 among them. A candidate outside a tolerance is out. Of the others those that keep every
 * constraint come first, then the nearest to them; among these the best in the objective wins, ties go to the smaller file, then to the name
 * that sorts first. While fp32 keeps every constraint itself, another must be better than it: smaller, or at least 5 % faster (p50, geometric
 * mean over the ways of serving measured for both) and slower in none of them, or at least 5 % cheaper.
 */
export function chooseCandidate(candidates: readonly Measured[], settings: ChoiceSettings): CandidateChoice {
  const original = candidates.find(({ name }) => name === ORIGINAL);
  if (original === undefined)
    throw new TypeError(`no ${ORIGINAL} among ${candidates.map(({ name }) => name).join(", ")}`);
  const objective = objectiveOf(settings);
  const rank = (candidate: Measured): Ranked => ({
    candidate,
    ratio: objective.ratio(candidate, original) ?? Number.POSITIVE_INFINITY,
    excess: findExcess(candidate, settings),
  });
  const own = rank(original);
  const others = candidates.filter((candidate) => candidate !== original).map(rank);
  const refused = new Map<string, string>();
  for (const ranked of others) {
    const against =
      reasonOutside(ranked.candidate, settings) ??
      ranked.candidate.gates.find(({ verdict }) => verdict === "fail")?.reason ??
      (own.excess.length === 0 ? reasonNoGain(ranked, original, objective) : undefined);
    if (against !== undefined) refused.set(ranked.candidate.name, against);
  }
  const pool = [own, ...others.filter(({ candidate }) => !refused.has(candidate.name))];
  const best = pool.toSorted(byWorth)[0]!;
  return {
    chosen: best.candidate.name,
    outcome: outcomeOf(best, own, settings),
    reason: explain(best, { own, objective, refused, settings }),
    serving: servingWay(best.candidate, settings),
    refused,
    unmet: new Map(
      [own, ...others].map(({ candidate, excess }) => [candidate.name, excess.map(({ sentence }) => sentence)]),
    ),
    front: frontOf(candidates),
  };
}

function byWorth(one: Ranked, other: Ranked): number {
  const beyond = ({ excess }: Ranked) => Math.max(1, ...excess.map(({ ratio }) => ratio));
  const [a, b] = [beyond(one), beyond(other)];
  if (a !== b) return a - b;
  return (
    one.ratio - other.ratio ||
    one.candidate.sizeBytes - other.candidate.sizeBytes ||
    (one.candidate.name < other.candidate.name ? -1 : 1)
  );
}

function outcomeOf(best: Ranked, own: Ranked, { constraints, objective }: ChoiceSettings): CandidateChoice["outcome"] {
  if (best.excess.length > 0) return "best-effort";
  if (best !== own) return "met";
  const { maximumP95Ms, maximumBytes, maximumMemoryBytes, maximumCostPerThousand } = constraints;
  const bounds = [maximumBytes, maximumMemoryBytes, maximumCostPerThousand, ...maximumP95Ms];
  // fp32 in another batch size or on more cores is a better way of serving, and an answer.
  const isServedBetter = objective === "cost" && own.candidate.latency.length > 1;
  return bounds.some((bound) => bound !== undefined) || isServedBetter ? "met" : "none";
}

/** Why a candidate is no better than an fp32 that keeps every constraint. */
function reasonNoGain(
  { candidate, ratio }: Ranked,
  original: Measured,
  { better, worse, at, noiseShare, allowsSlower }: Objective,
): string | undefined {
  if (!Number.isFinite(ratio)) return `no batch size was measured for both it and ${ORIGINAL}`;
  const slowest = runRatios(candidate, original).toSorted((a, b) => b.ratio - a.ratio)[0];
  if (!allowsSlower && slowest !== undefined && slowest.ratio > 1) {
    return `it is ${percent(slowest.ratio - 1)} slower than ${ORIGINAL} at p50 and batch ${slowest.batch}`;
  }
  if (noiseShare === 0) return ratio < 1 ? undefined : `it is not ${better} than ${ORIGINAL}`;
  if (ratio <= 1 - noiseShare) return undefined;
  const change = ratio > 1 ? `${percent(ratio - 1)} ${worse}` : `only ${percent(1 - ratio)} ${better}`;
  return `it is ${change} than ${ORIGINAL}${at}, ${percent(noiseShare)} ${better} is asked for`;
}

function explain(
  best: Ranked,
  {
    own,
    objective,
    refused,
    settings,
  }: {
    readonly own: Ranked;
    readonly objective: Objective;
    readonly refused: ReadonlyMap<string, string>;
    readonly settings: ChoiceSettings;
  },
): string {
  const { candidate, ratio, excess } = best;
  const beyond =
    excess.length === 0
      ? ""
      : `; no candidate keeps every constraint, it is the nearest (${excess.map(({ sentence }) => sentence).join("; ")})`;
  if (best === own) {
    const batched = settings.objective === "cost" ? batching(candidate, settings) : "";
    return `${reasonForOriginal(refused, settings.objective)}${batched}${beyond}`;
  }
  const change = ratio <= 1 ? `${percent(1 - ratio)} ${objective.better}` : `${percent(ratio - 1)} ${objective.worse}`;
  const differ = percent(1 - candidate.agreement.sameDecisionShare);
  const fallbacks = candidate.fallbacks.length === 0 ? "" : `, with ${candidate.fallbacks.join(", ")} left in float`;
  return (
    `${candidate.name} is ${change}${objective.at} than ${ORIGINAL}, and ${differ} of its decisions differ ` +
    `(allowed ${percent(settings.maximumDisagreementShare)})${fallbacks}${beyond}`
  );
}

function reasonForOriginal(refused: ReadonlyMap<string, string>, objective: string): string {
  if (refused.size === 0) return `${ORIGINAL} stays, it is the only candidate`;
  const all = [...refused].map(([name, why]) => `${name}: ${why}`).join("; ");
  return `${ORIGINAL} stays, no other candidate may replace it for ${objective} (${all})`;
}

/** What serving it in its cheapest way saves over the way it is served now. */
function batching({ latency }: Measured, settings: ChoiceSettings): string {
  const best = cheapest(latency, settings);
  const now = latency[0];
  if (best === undefined || now === undefined || best === now) return "";
  const saved = percent(1 - costPerThousand(best, settings) / costPerThousand(now, settings));
  return `; in batches of ${best.batch} on ${best.threads} threads it costs ${saved} less than in batches of ${now.batch}`;
}

/** By size, the median time of every way of serving, and how far the outputs are from fp32's. */
function frontOf(candidates: readonly Measured[]): ReadonlySet<string> {
  const front = paretoFront(
    candidates.map(({ sizeBytes, latency, agreement }) => [
      sizeBytes,
      ...latency.map(({ p50Ms }) => p50Ms),
      agreement.meanDifference,
    ]),
  );
  return new Set(candidates.flatMap(({ name }, at) => (front[at] === true ? [name] : [])));
}
