/** How far the search for a candidate is; told again whenever something was found out. */
export interface SearchProgress {
  /** fp32 first. */
  readonly candidates: readonly CandidateProgress[];
  /** The smallest candidate inside the tolerances so far; which is fastest is only known at the end. */
  readonly best: string;
  readonly trialCount: number;
}

export interface CandidateProgress {
  readonly name: string;
  readonly state: "waiting" | "searching" | "found" | "left out";
  /** Why it was left out; empty otherwise. */
  readonly reason: string;
  /** Of what was tried last. */
  readonly fallbackCount: number;
  /** Of its outputs to fp32's; null while nothing was compared, and for equal outputs. */
  readonly signalToNoiseDb: number | null;
  readonly isInside: boolean;
  /** Bytes over fp32's; null before it is made. */
  readonly sizeRatio: number | null;
  /** Nothing found so far is at least as small and as near to fp32, and better in one. */
  readonly onFront: boolean;
}
