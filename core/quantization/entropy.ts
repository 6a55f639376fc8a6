/**
 * The range by least entropy: of all ranges around 0, the one whose 128 steps tell least less about the values than the bins do (the
 * Kullback-Leibler divergence), with what lies outside counted at its edges. The search of `calibrate.py` in ONNX Runtime 1.30, with its
 * integer arithmetic; there it is never reached with more bins than steps, and so changes nothing.
 */
import type { ActivationRange } from "./pass.ts";

const STEP_COUNT = 128;
/** What an empty bin is taken to hold, so that the divergence stays finite. */
const SMOOTHING = 1e-4;

/**
 * @param counts values by bin, an even number of bins of equal width from `-limit` to `limit`; some must not be empty
 * @returns a range symmetric around 0 but for half a step, within `-limit` and `limit`
 */
export function entropyRange(counts: Float64Array, limit: number): ActivationRange {
  const middle = counts.length / 2;
  const sums = cumulative(counts);
  let best = { divergence: Number.POSITIVE_INFINITY, first: 0, end: counts.length };
  for (let half = STEP_COUNT / 2; half <= middle; half++) {
    const first = middle - half;
    const end = Math.min(middle + half + 1, counts.length);
    const divergence = divergenceOf(counts, sums, first, end);
    if (divergence < best.divergence) best = { divergence, first, end };
  }
  const edge = (bin: number) => -limit + (2 * limit * bin) / counts.length;
  return { low: edge(best.first), high: edge(best.end) };
}

/** `sums[at]`: the values in the bins before `at`. */
function cumulative(counts: Float64Array): Float64Array {
  const sums = new Float64Array(counts.length + 1);
  for (let at = 0; at < counts.length; at++) sums[at + 1] = sums[at]! + counts[at]!;
  return sums;
}

/** The divergence of the bins from `first` up to `end` from the same in steps; infinite when nothing is left to compare. */
function divergenceOf(counts: Float64Array, sums: Float64Array, first: number, end: number): number {
  const size = end - first;
  const binsPerStep = Math.floor(size / STEP_COUNT);
  const reference = counts.slice(first, end);
  reference[0]! += sums[first]!;
  reference[size - 1]! += sums[counts.length]! - sums[end]!;
  const steps = new Float64Array(size);
  for (let step = 0; step < STEP_COUNT; step++) {
    const from = step * binsPerStep;
    const to = from + binsPerStep;
    const upTo = step === STEP_COUNT - 1 ? size : to;
    let filled = 0;
    for (let at = from; at < to; at++) if (reference[at] !== 0) filled++;
    if (filled === 0) continue;
    steps.fill(Math.trunc((sums[first + upTo]! - sums[first + from]!) / filled), from, to);
  }
  const [p, q] = [smooth(reference), smooth(steps)];
  if (p === undefined || q === undefined) return Number.POSITIVE_INFINITY;
  let divergence = 0;
  for (let at = 0; at < size; at++) divergence += p[at]! * Math.log(p[at]! / q[at]!);
  return divergence;
}

/** As shares of their sum, with every empty bin given a little that the others give up. */
function smooth(counts: Float64Array): Float64Array | undefined {
  let empty = 0;
  let sum = 0;
  for (const count of counts) {
    if (count === 0) empty++;
    sum += count;
  }
  if (empty === counts.length) return undefined;
  const given = (SMOOTHING * empty) / (counts.length - empty);
  return counts.map((count) => (count === 0 ? SMOOTHING : count - given) / sum);
}
