import type { Latency, OptimizationReport, OptimizationSettings } from "../../contracts/optimization.ts";
import { costPerThousand, type Measured } from "./constraints.ts";
import { cheapest } from "./objective.ts";

type Settings = Pick<OptimizationSettings, "objective" | "constraints" | "pricePerCoreHour">;

/**
 * The way of serving that was measured best for the objective: the first of each setting is the way it is served now.
 *
 * Batches grow only under load, so that the largest worth running is told whatever the objective. Waiting for company pays only where
 * batches are what was chosen: then at most as long as one run takes, and within the bound on its p95.
 */
export function servingWay({ latency }: Pick<Measured, "latency">, settings: Settings): OptimizationReport["serving"] {
  const now = latency[0];
  const fastest = latency
    .filter(({ batch }) => batch === now?.batch)
    .toSorted((one, other) => one.p50Ms - other.p50Ms)[0];
  const run = { size: now, latency: fastest, cost: cheapest(latency, settings) }[settings.objective];
  if (run === undefined) {
    return { batch: 1, threads: 1, p50Ms: 0, costPerThousand: 0, maximumBatchRows: 1, waitMs: 0 };
  }
  const { batch, threads, p50Ms } = run;
  const isBatched = settings.objective === "cost" && batch > 1;
  return {
    batch,
    threads,
    p50Ms,
    costPerThousand: costPerThousand(run, settings),
    maximumBatchRows: largestWorthRunning(latency, threads, settings) ?? batch,
    waitMs: isBatched ? Math.max(0, Math.min(p50Ms, slackMs(run, settings))) : 0,
  };
}

/** The batch with the least time a row on so many threads, among those within the bounds on p95. */
function largestWorthRunning(latency: readonly Latency[], threads: number, settings: Settings): number | undefined {
  const within = latency.filter((run) => run.threads === threads && slackMs(run, settings) >= 0);
  return within.toSorted((one, other) => one.p50Ms / one.batch - other.p50Ms / other.batch)[0]?.batch;
}

/** What the bound on p95 leaves in this batch size; infinite without one. */
function slackMs({ batch, p95Ms }: Latency, { constraints }: Settings): number {
  const bounds = constraints.maximumP95Ms.filter((bound) => bound.batch === batch);
  return Math.min(...bounds.map(({ ms }) => ms - p95Ms));
}
