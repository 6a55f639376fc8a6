import type { Estimate, Gate, GateResult } from "../../contracts/evaluation.ts";
import type { Verdict } from "../../contracts/names.ts";
import type { DefinedEstimate } from "./estimate.ts";
import { metrics } from "./metrics.ts";

/** What a gate looks at: the value, or the difference to the champion, on all rows or in one slice. */
export interface GateEvidence {
  /** `overall` or `column=value`. */
  readonly slice: string;
  readonly observed: Estimate;
}

/**
 * Judges one gate on intervals, never on point estimates: pass when the whole interval keeps the bound, fail when it is wholly beyond,
 * else inconclusive. Missing evidence and undefined values fail. Of several slices the worst decides and is named; the caller
 * has widened their intervals for their number.
 */
export function judgeGate(gate: Gate, evidence: readonly GateEvidence[]): GateResult {
  const judged = evidence.map((piece) => judgePiece(gate, piece)).sort(worstFirst);
  const [worst] = judged;
  if (!worst) {
    const reason = `${gate.metric}: nothing was measured for this gate (${gate.rows})`;
    return { gate, verdict: "fail", reason, slice: "overall", observed: { kind: "undefined", reason, sampleCount: 0 } };
  }
  const among = judged.length > 1 ? ` (worst of ${judged.length} slices)` : "";
  return { gate, ...worst.piece, verdict: worst.verdict, reason: `${worst.sentence}${among}` };
}

/** A gate against the champion where there is none: nothing to be worse than. */
export function passWithoutChampion(gate: Gate): GateResult {
  const reason = `${gate.metric}: there is no champion to be worse than`;
  return { gate, verdict: "pass", reason, slice: "overall", observed: { kind: "undefined", reason, sampleCount: 0 } };
}

interface Judged {
  readonly piece: GateEvidence;
  readonly verdict: Verdict;
  readonly sentence: string;
  /** How far the interval's bad end keeps inside the bound; negative beyond it. Only for ordering slices. */
  readonly reserve: number;
}

const SEVERITY: Record<Verdict, number> = { fail: 0, inconclusive: 1, pass: 2 };
const worstFirst = (one: Judged, other: Judged) =>
  SEVERITY[one.verdict] - SEVERITY[other.verdict] || one.reserve - other.reserve;

function judgePiece(gate: Gate, piece: GateEvidence): Judged {
  const { observed, slice } = piece;
  const where = slice === "overall" ? gate.metric : `${gate.metric} in ${slice}`;
  if (observed.kind === "undefined") {
    return { piece, verdict: "fail", sentence: `${where} is undefined: ${observed.reason}`, reserve: -Infinity };
  }
  const bound = boundOf(gate);
  const [low, high] = observed.interval;
  // A larger value is the good side of a lower bound, a smaller one of an upper bound.
  const [badEnd, goodEnd] = bound.side === "lower" ? [low, high] : [high, low];
  const reserveOf = (value: number) => (bound.side === "lower" ? value - bound.value : bound.value - value);
  const verdict = reserveOf(badEnd) >= 0 ? "pass" : reserveOf(goodEnd) < 0 ? "fail" : "inconclusive";
  return { piece, verdict, sentence: `${where} ${sentence(observed, verdict, bound)}`, reserve: reserveOf(badEnd) };
}

interface Bound {
  readonly side: "lower" | "upper";
  readonly value: number;
  readonly wording: string;
}

function boundOf(gate: Gate): Bound {
  if (gate.atLeast !== undefined) return { side: "lower", value: gate.atLeast, wording: `at least ${gate.atLeast}` };
  if (gate.atMost !== undefined) return { side: "upper", value: gate.atMost, wording: `at most ${gate.atMost}` };
  const margin = gate.notWorseThanChampionBy ?? 0;
  const wording = `not worse than the champion by ${margin}`;
  // The difference is challenger minus champion: harm is a fall where higher is better, a rise where lower is.
  return metrics[gate.metric].direction === "higher"
    ? { side: "lower", value: -margin, wording }
    : { side: "upper", value: margin, wording };
}

function sentence({ estimate, interval, confidence }: DefinedEstimate, verdict: Verdict, { wording }: Bound): string {
  const found = wording.startsWith("not worse") ? `differs by ${format(estimate)}` : `is ${format(estimate)}`;
  const range = `${format(interval[0])} to ${format(interval[1])} at ${format(confidence * 100)} %`;
  const judgement = {
    pass: "keeps",
    fail: "breaks",
    inconclusive: "neither keeps nor breaks, for want of rows,",
  }[verdict];
  return `${found} (${range}), which ${judgement} the gate: ${wording}`;
}

const format = (value: number): string => String(Number(value.toPrecision(4)));
