/**
 * What the e-values of a rollout share. An e-value has expectation at most 1 while its null hypothesis holds, at any moment we
 * choose to look (Ville's inequality: it ever reaches 1/a with probability at most a). Evidence here is always a function of
 * cumulative counts, so a retry, a replay or an auditor gets the same number.
 */

/** Evidence is cut here: still an e-value, and a finite number for JSON. No bound in use comes near it. */
export const EVIDENCE_CAP = 1e12;

/** `weight` of an alternative in a mixture and its log likelihood ratio against the null (-Infinity: impossible under it). */
export interface WeightedLogRatio {
  readonly weight: number;
  readonly logRatio: number;
}

/** Average of likelihood ratios, itself an e-value when the weights sum to 1. In [0, Infinity]: cut it with `capEvidence`. */
export function mixEvidence(ratios: readonly WeightedLogRatio[]): number {
  let sum = 0;
  for (const { weight, logRatio } of ratios) sum += weight * Math.exp(logRatio);
  return sum;
}

export function capEvidence(evidence: number): number {
  return Math.min(evidence, EVIDENCE_CAP);
}

/**
 * Log likelihood ratio of `hits` among `hits + misses` independent trials, probability `alternative` against `null`.
 * No trials give 0. A null under which the trials are impossible gives Infinity, unless the alternative excludes them too.
 */
export function binomialLogRatio(hits: number, misses: number, alternative: number, nullShare: number): number {
  const ofHits = outcome(hits, alternative, nullShare);
  const ofMisses = outcome(misses, 1 - alternative, 1 - nullShare);
  // Infinity - Infinity would be NaN: what the alternative excludes is no evidence for it.
  return Math.min(ofHits, ofMisses) === Number.NEGATIVE_INFINITY ? Number.NEGATIVE_INFINITY : ofHits + ofMisses;
}

function outcome(count: number, alternative: number, nullShare: number): number {
  if (count === 0) return 0;
  if (alternative === 0) return Number.NEGATIVE_INFINITY;
  if (nullShare === 0) return Number.POSITIVE_INFINITY;
  return count * Math.log(alternative / nullShare);
}

/**
 * Half of the stake on all epochs together, half on a fresh start in each: epoch j, counted from 1, gets 1/(j(j+1)) of that
 * half and what is kept for later epochs counts 1. A long healthy first step sinks the evidence of the whole so low that a harm
 * which only shows at a higher share would be found late; a fresh start finds it at the price of a constant factor.
 * Valid because the weights are fixed before any epoch and each part is an e-process.
 * @param parts those of one epoch side by side, oldest epoch first; later looks only append epochs
 */
export function withFreshStarts<Part extends { readonly epoch: number }>(
  parts: readonly Part[],
  evidence: (parts: readonly Part[]) => number,
): number {
  const epochs = [...new Set(parts.map(({ epoch }) => epoch))];
  let fresh = 1 / (epochs.length + 1);
  for (const [index, epoch] of epochs.entries()) {
    fresh += evidence(parts.filter((part) => part.epoch === epoch)) / ((index + 1) * (index + 2));
  }
  return capEvidence((evidence(parts) + fresh) / 2);
}
