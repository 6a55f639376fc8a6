import type { Candidate, OptimizationSettings } from "../../contracts/optimization.ts";

/** The candidate that is the original model; it can always be chosen. */
export const ORIGINAL = "fp32";

/** Two p50 of the same model on a quiet machine differ by this share now and then: less is no gain. */
const LATENCY_NOISE_SHARE = 0.05;

export type MeasuredCandidate = Pick<Candidate, "name" | "sizeBytes" | "latency" | "agreement">;

export interface CandidateChoice {
  readonly chosen: string;
  /** One sentence: why this one. */
  readonly reason: string;
  /** For every candidate that could not be chosen, why; the chosen and the merely beaten ones are not in it. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * Chooses among measured candidates, fp32 among them. A candidate is out when more decisions differ from fp32 than allowed,
 * or when it is not better than fp32 in the objective: smaller, or at least 5 % faster (p50, geometric mean over the batch
 * sizes measured for both) and slower at none of them. The best of the rest wins; ties go to the smaller file, then to the name that sorts first.
 */
export function chooseCandidate(
  candidates: readonly MeasuredCandidate[],
  settings: Pick<OptimizationSettings, "objective" | "maximumDisagreementShare">,
): CandidateChoice {
  const original = candidates.find(({ name }) => name === ORIGINAL);
  if (original === undefined)
    throw new TypeError(`no ${ORIGINAL} among ${candidates.map(({ name }) => name).join(", ")}`);
  const cost = settings.objective === "size" ? sizeRatio : latencyRatio;
  const refused = new Map<string, string>();
  const eligible: { readonly candidate: MeasuredCandidate; readonly ratio: number }[] = [];
  for (const candidate of candidates) {
    if (candidate === original) continue;
    const ratio = cost(candidate, original);
    const slower = settings.objective === "latency" ? slowestBatch(candidate, original) : undefined;
    const against = reasonAgainst(candidate, { ratio, slower }, settings);
    if (against === undefined) eligible.push({ candidate, ratio: ratio! });
    else refused.set(candidate.name, against);
  }
  const [best] = eligible.toSorted(
    (a, b) =>
      a.ratio - b.ratio ||
      a.candidate.sizeBytes - b.candidate.sizeBytes ||
      (a.candidate.name < b.candidate.name ? -1 : 1),
  );
  if (best === undefined) return { chosen: ORIGINAL, reason: reasonForOriginal(refused, settings.objective), refused };
  const { candidate, ratio } = best;
  const gain = settings.objective === "size" ? "smaller" : "faster at p50";
  const differ = percent(1 - candidate.agreement.sameDecisionShare);
  const reason =
    `${candidate.name} is ${percent(1 - ratio)} ${gain} than ${ORIGINAL}, and ${differ} of its decisions differ ` +
    `(allowed ${percent(settings.maximumDisagreementShare)})`;
  return { chosen: candidate.name, reason, refused };
}

function reasonAgainst(
  candidate: MeasuredCandidate,
  { ratio, slower }: { readonly ratio: number | undefined; readonly slower: BatchRatio | undefined },
  { objective, maximumDisagreementShare }: Pick<OptimizationSettings, "objective" | "maximumDisagreementShare">,
): string | undefined {
  const { rowCount, sameDecisionShare } = candidate.agreement;
  const differentCount = Math.round(rowCount * (1 - sameDecisionShare));
  if (!(differentCount <= maximumDisagreementShare * rowCount)) {
    return `${percent(1 - sameDecisionShare)} of ${rowCount} decisions differ, allowed ${percent(maximumDisagreementShare)}`;
  }
  if (ratio === undefined) return `no batch size was measured for both it and ${ORIGINAL}`;
  if (objective === "size") return ratio < 1 ? undefined : `it is not smaller than ${ORIGINAL}`;
  if (slower !== undefined) {
    return `it is ${percent(slower.ratio - 1)} slower than ${ORIGINAL} at p50 and batch ${slower.batch}`;
  }
  if (ratio <= 1 - LATENCY_NOISE_SHARE) return undefined;
  const change = ratio > 1 ? `${percent(ratio - 1)} slower` : `only ${percent(1 - ratio)} faster`;
  return `it is ${change} than ${ORIGINAL} at p50, ${percent(LATENCY_NOISE_SHARE)} faster is asked for`;
}

function reasonForOriginal(refused: ReadonlyMap<string, string>, objective: string): string {
  if (refused.size === 0) return `${ORIGINAL} stays, it is the only candidate`;
  const all = [...refused].map(([name, why]) => `${name}: ${why}`).join("; ");
  return `${ORIGINAL} stays, no other candidate may replace it for ${objective} (${all})`;
}

function sizeRatio(candidate: MeasuredCandidate, original: MeasuredCandidate): number {
  return candidate.sizeBytes / original.sizeBytes;
}

interface BatchRatio {
  readonly batch: number;
  /** p50 of the candidate over that of the original. */
  readonly ratio: number;
}

/** The batch sizes measured for both. */
function batchRatios(candidate: MeasuredCandidate, original: MeasuredCandidate): BatchRatio[] {
  return candidate.latency.flatMap(({ batch, p50Ms }) => {
    const other = original.latency.find((latency) => latency.batch === batch);
    return other !== undefined && p50Ms > 0 && other.p50Ms > 0 ? [{ batch, ratio: p50Ms / other.p50Ms }] : [];
  });
}

/** The batch size at which the candidate loses most to the original, if it loses at any. */
function slowestBatch(candidate: MeasuredCandidate, original: MeasuredCandidate): BatchRatio | undefined {
  const [slowest] = batchRatios(candidate, original).toSorted((a, b) => b.ratio - a.ratio);
  return slowest !== undefined && slowest.ratio > 1 ? slowest : undefined;
}

/** Geometric mean of the p50 ratios over common batch sizes: no batch size outweighs another by its length. */
function latencyRatio(candidate: MeasuredCandidate, original: MeasuredCandidate): number | undefined {
  const logarithms = batchRatios(candidate, original).map(({ ratio }) => Math.log(ratio));
  if (logarithms.length === 0) return undefined;
  return Math.exp(logarithms.reduce((sum, value) => sum + value, 0) / logarithms.length);
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
