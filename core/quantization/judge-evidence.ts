import type { Agreement, BatchInvariance, OptimizationGate, Saturation } from "../../contracts/optimization.ts";
import { percent } from "./constraints.ts";
import type { FusedKernels } from "./fused.ts";

/** Rows run alone and together may differ by the rounding of another order of additions. */
const ROUNDING = 1e-4;
/** What the optimizer may change of a model that computes in float: the order of additions. */
export const FLOAT_PARITY_DB = 60;

export interface Evidence {
  /** What the runtime's optimizer changes: the same model with and without it, on the proxy rows. */
  readonly parity: Agreement;
  readonly invariance: BatchInvariance;
  readonly saturation: Saturation;
  readonly fused: FusedKernels;
  /** Whether the pass computes in integers, and so may differ from itself by more than rounding. */
  readonly isInteger: boolean;
  readonly maximumDisagreementShare: number;
  readonly minimumSignalToNoiseDb: number;
}

/**
 * The gates a candidate passes before it may be registered. `fail` leaves it out; `inconclusive` says what holds only on this host or was
 * not done as meant, and is left to the measurements and to people.
 */
export function judgeEvidence(evidence: Evidence): OptimizationGate[] {
  return [judgeParity(evidence), judgeInvariance(evidence), judgeSaturation(evidence), judgeFused(evidence)];
}

function judgeParity({ parity, isInteger, ...allowed }: Evidence): OptimizationGate {
  const { signalToNoiseDb, sameDecisionShare } = parity;
  const floor = isInteger ? allowed.minimumSignalToNoiseDb : FLOAT_PARITY_DB;
  const share = allowed.maximumDisagreementShare;
  const isNear = (signalToNoiseDb ?? Number.POSITIVE_INFINITY) >= floor;
  const differ = 1 - sameDecisionShare;
  const found = signalToNoiseDb === null ? "changes nothing" : `leaves ${Number(signalToNoiseDb.toFixed(1))} dB`;
  return {
    name: "optimizer-parity",
    verdict: isNear && differ <= share ? "pass" : "fail",
    reason: `ONNX Runtime's optimizer ${found}, ${percent(differ)} of decisions differ; at least ${floor} dB and at most ${percent(share)} asked for`,
  };
}

function judgeInvariance({ invariance }: Evidence): OptimizationGate {
  const { byDesign, maximumDifference } = invariance;
  const found = `a row alone and in a batch differ by at most ${Number(maximumDifference.toPrecision(3))}`;
  if (byDesign) {
    return { name: "batch-invariance", verdict: maximumDifference <= ROUNDING ? "pass" : "fail", reason: found };
  }
  const reason = `${found}: its ranges come from the whole batch, so an answer is repeated only with the same batch`;
  return { name: "batch-invariance", verdict: maximumDifference <= ROUNDING ? "pass" : "inconclusive", reason };
}

function judgeSaturation({ saturation }: Evidence): OptimizationGate {
  const { pairCount, overflowShare, largestSum, onData } = saturation;
  if (overflowShare === 0) {
    const reason =
      pairCount === 0 ? "it multiplies no 8-bit weights" : `no pair of weights can pass ${largestSum} of 32767`;
    return { name: "saturation", verdict: "pass", reason };
  }
  const can = `${percent(overflowShare)} of ${pairCount} pairs of weights can pass 16 bits`;
  if (onData !== null && onData.overflowShare === 0) {
    return {
      name: "saturation",
      verdict: "pass",
      reason: `${can}, and none of ${onData.pairCount} sums on the data does`,
    };
  }
  const does =
    onData === null
      ? ""
      : `, and ${percent(onData.overflowShare)} of ${onData.pairCount} sums on the data do${onData.worst === null ? "" : `, most in ${onData.worst.layer} (${percent(onData.worst.overflowShare)})`}`;
  const reason = `${can}${does}: on a processor without VNNI measure again, or use reduceRange`;
  return { name: "saturation", verdict: "inconclusive", reason };
}

function judgeFused({ fused, isInteger }: Evidence): OptimizationGate {
  const { integerCount, unfused } = fused;
  const shown = unfused.slice(0, 5).join(", ");
  if (unfused.length === 0) {
    const reason = isInteger
      ? `${integerCount} kernels compute in integers`
      : "its constants are widened when it is loaded";
    return { name: "fused", verdict: "pass", reason };
  }
  const isNoneFused = isInteger && integerCount === 0;
  return {
    name: "fused",
    verdict: isNoneFused ? "fail" : "inconclusive",
    reason: `${unfused.length} nodes compute in float and widen their constants at every run: ${shown}`,
  };
}
