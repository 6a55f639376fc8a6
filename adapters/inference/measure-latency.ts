import type { Tensor } from "../../contracts/data.ts";
import type { Latency } from "../../contracts/optimization.ts";
import { quantileSorted } from "../../core/stats/quantile-sorted.ts";
import type { Session } from "./session.ts";

export interface LatencyRun {
  readonly session: Session;
  readonly threads: number;
  /** Batch size and its encoded rows. */
  readonly inputs: readonly { readonly batch: number; readonly tensors: readonly Tensor[] }[];
}

export interface LatencyLimits {
  /** For all sessions and batch sizes together, warm-up included. */
  readonly totalMs: number;
  readonly maximumRepeats: number;
}

const MINIMUM_REPEATS = 20;
const WARM_UP_SHARE = 0.1;

/**
 * Latency of one run in this process, by session and batch size: p50 and p95 of many repeats after a warm-up.
 *
 * Sessions take turns repeat by repeat, so that a slow second of the machine slows all of them and not the one it happened to meet. Every
 * batch size gets the same time; a model too slow for it is still measured 20 times.
 */
export async function measureLatency(
  runs: readonly LatencyRun[],
  { totalMs, maximumRepeats }: LatencyLimits,
): Promise<Latency[][]> {
  const results = runs.map((): Latency[] => []);
  const batchCount = runs[0]?.inputs.length ?? 0;
  for (let at = 0; at < batchCount; at++) {
    const turn = async (durations: number[][]) => {
      for (const [index, { session, inputs }] of runs.entries()) {
        const { tensors } = inputs[at]!;
        const start = performance.now();
        await session.run(tensors);
        durations[index]!.push(performance.now() - start);
      }
    };
    const budgetMs = totalMs / batchCount;
    await repeat(runs, turn, { budgetMs: budgetMs * WARM_UP_SHARE, maximum: maximumRepeats, minimum: 3 });
    const limits = { budgetMs: budgetMs * (1 - WARM_UP_SHARE), maximum: maximumRepeats, minimum: MINIMUM_REPEATS };
    const durations = await repeat(runs, turn, limits);
    for (const [index, times] of durations.entries()) {
      const sorted = times.toSorted((one, other) => one - other);
      results[index]!.push({
        batch: runs[index]!.inputs[at]!.batch,
        threads: runs[index]!.threads,
        p50Ms: quantileSorted(sorted, 0.5),
        p95Ms: quantileSorted(sorted, 0.95),
        repeatCount: sorted.length,
      });
    }
  }
  return results;
}

async function repeat(
  runs: readonly LatencyRun[],
  turn: (durations: number[][]) => Promise<void>,
  { budgetMs, maximum, minimum }: { readonly budgetMs: number; readonly maximum: number; readonly minimum: number },
): Promise<number[][]> {
  const durations = runs.map((): number[] => []);
  const start = performance.now();
  for (let count = 0; count < maximum; count++) {
    if (count >= minimum && performance.now() - start > budgetMs) break;
    await turn(durations);
  }
  return durations;
}
