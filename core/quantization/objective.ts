/** What is made small, as a ratio to fp32: below 1 is better. */
import type { Latency, OptimizationSettings } from "../../contracts/optimization.ts";
import { costPerThousand, type Measured } from "./constraints.ts";

export interface Objective {
  /** Of the candidate to fp32; undefined when the two were not measured alike. */
  readonly ratio: (candidate: Measured, original: Measured) => number | undefined;
  /** What a smaller and a larger ratio are called, and at which statistic. */
  readonly better: string;
  readonly worse: string;
  readonly at: string;
  /** The share below which a gain is noise of the measurement. */
  readonly noiseShare: number;
  /** Whether the candidate may be slower than fp32 in a batch size measured for both. */
  readonly allowsSlower: boolean;
}

type Settings = Pick<OptimizationSettings, "objective" | "pricePerCoreHour">;

/** Two p50 of the same model on a quiet machine differ by this share now and then: less is no gain. */
const LATENCY_NOISE_SHARE = 0.05;

export function objectiveOf(settings: Settings): Objective {
  return OBJECTIVES[settings.objective](settings);
}

const OBJECTIVES: Record<OptimizationSettings["objective"], (settings: Settings) => Objective> = {
  size: () => ({
    ratio: (candidate, original) => candidate.sizeBytes / original.sizeBytes,
    better: "smaller",
    worse: "larger",
    at: "",
    noiseShare: 0,
    allowsSlower: true,
  }),
  latency: () => ({
    ratio: latencyRatio,
    better: "faster",
    worse: "slower",
    at: " at p50",
    noiseShare: LATENCY_NOISE_SHARE,
    allowsSlower: false,
  }),
  cost: (settings) => ({
    ratio: (candidate, original) => {
      const [ours, theirs] = [candidate, original].map(({ latency }) => cheapest(latency, settings));
      return ours && theirs && costPerThousand(ours, settings) / costPerThousand(theirs, settings);
    },
    better: "cheaper",
    worse: "dearer",
    at: " a prediction",
    noiseShare: LATENCY_NOISE_SHARE,
    allowsSlower: true,
  }),
};

/** The way of serving it that costs least a prediction. */
export function cheapest(latency: readonly Latency[], settings: Settings): Latency | undefined {
  return latency.toSorted((one, other) => costPerThousand(one, settings) - costPerThousand(other, settings))[0];
}

export interface RunRatio {
  readonly batch: number;
  /** p50 of the candidate over that of the original. */
  readonly ratio: number;
}

/** The ways of serving measured for both. */
export function runRatios(candidate: Measured, original: Measured): RunRatio[] {
  return candidate.latency.flatMap(({ batch, threads, p50Ms }) => {
    const other = original.latency.find((run) => run.batch === batch && run.threads === threads);
    return other !== undefined && p50Ms > 0 && other.p50Ms > 0 ? [{ batch, ratio: p50Ms / other.p50Ms }] : [];
  });
}

/** Geometric mean of the p50 ratios: no batch size outweighs another by its length. */
function latencyRatio(candidate: Measured, original: Measured): number | undefined {
  const logarithms = runRatios(candidate, original).map(({ ratio }) => Math.log(ratio));
  if (logarithms.length === 0) return undefined;
  return Math.exp(logarithms.reduce((sum, value) => sum + value, 0) / logarithms.length);
}
