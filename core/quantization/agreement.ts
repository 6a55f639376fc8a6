import { Failure } from "../../contracts/failures.ts";
import type { Agreement } from "../../contracts/optimization.ts";

/** The floor of the reported ratio, for a reference that is zero everywhere: its logarithm has no number. */
const LOWEST_SIGNAL_TO_NOISE_DB = -400;

export interface OutputPair {
  /** The model both outputs are compared for, for failures. */
  readonly where: string;
  /** Outputs of the original, one a row (the probability of the positive class). */
  readonly reference: ArrayLike<number>;
  /** Outputs of the candidate on the same rows in the same order. */
  readonly candidate: ArrayLike<number>;
  /** A row is decided positive at or above it. */
  readonly threshold: number;
}

/**
 * How closely a candidate's outputs follow the original's on the same rows. Differences are absolute; the signal-to-noise
 * ratio is 20 log10(|x| / |x - y|) in decibels over all rows, higher is closer, null when nothing differs.
 *
 * @throws Failure DATA_EMPTY without rows; INFERENCE_FAILED when an output is NaN or infinite. Unequal lengths are a bug
 */
export function measureAgreement({ where, reference, candidate, threshold }: OutputPair): Agreement {
  const rowCount = reference.length;
  if (candidate.length !== rowCount) throw new RangeError(`${where}: ${candidate.length} outputs for ${rowCount} rows`);
  if (rowCount === 0) throw new Failure("DATA_EMPTY", { where, window: "" });
  let maximumDifference = 0;
  let differenceSum = 0;
  let noise = 0;
  let signal = 0;
  let sameCount = 0;
  for (let row = 0; row < rowCount; row++) {
    const [x, y] = [reference[row]!, candidate[row]!];
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      throw new Failure("INFERENCE_FAILED", {
        model: where,
        reason: `row ${row} gives ${x} and ${y}, not finite numbers`,
      });
    }
    const difference = Math.abs(x - y);
    maximumDifference = Math.max(maximumDifference, difference);
    differenceSum += difference;
    noise += difference * difference;
    signal += x * x;
    if (x >= threshold === y >= threshold) sameCount++;
  }
  return {
    rowCount,
    maximumDifference,
    meanDifference: differenceSum / rowCount,
    signalToNoiseDb: noise === 0 ? null : Math.max(LOWEST_SIGNAL_TO_NOISE_DB, 10 * Math.log10(signal / noise)),
    sameDecisionShare: sameCount / rowCount,
  };
}
