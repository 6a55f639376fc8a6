import type { GateResult } from "../../contracts/evaluation.ts";
import type { Candidate, Latency, OptimizationSettings } from "../../contracts/optimization.ts";

/** A constraint a candidate does not keep, and how far beyond it is: 1.2 is 20 % more than allowed. */
export interface Excess {
  readonly sentence: string;
  readonly ratio: number;
}

export type Measured = Pick<
  Candidate,
  "name" | "sizeBytes" | "latency" | "agreement" | "memoryBytes" | "fallbacks" | "gates"
> & { readonly tolerances: readonly GateResult[] };

type Prices = Pick<OptimizationSettings, "pricePerCoreHour">;

/** What a thousand predictions cost in batches of this size on this many cores, each run taking the median time. */
export function costPerThousand({ batch, threads, p50Ms }: Latency, { pricePerCoreHour }: Prices): number {
  return (1000 / batch) * (p50Ms / 3_600_000) * threads * pricePerCoreHour;
}

/** The size, latency, memory and cost a candidate does not keep to, in the order they are declared. */
export function findExcess(
  candidate: Measured,
  settings: Pick<OptimizationSettings, "constraints" | "pricePerCoreHour">,
): Excess[] {
  const { maximumP95Ms, maximumBytes, maximumMemoryBytes, maximumCostPerThousand } = settings.constraints;
  const late = maximumP95Ms.flatMap(({ batch, ms }) => {
    const fastest = Math.min(...candidate.latency.filter((run) => run.batch === batch).map(({ p95Ms }) => p95Ms));
    return excess(`p95 at batch ${batch}`, fastest, ms, "ms");
  });
  const cheapest = Math.min(...candidate.latency.map((latency) => costPerThousand(latency, settings)));
  return [
    ...late,
    ...(maximumBytes === undefined ? [] : excess("the file", candidate.sizeBytes, maximumBytes, "bytes")),
    ...(maximumMemoryBytes === undefined
      ? []
      : excess("its memory", candidate.memoryBytes ?? Number.POSITIVE_INFINITY, maximumMemoryBytes, "bytes")),
    ...(maximumCostPerThousand === undefined
      ? []
      : excess("a thousand predictions", cheapest, maximumCostPerThousand, "in price")),
  ];
}

/** What was not measured is beyond any bound. */
function excess(what: string, found: number, allowed: number, unit: string): Excess[] {
  if (found <= allowed) return [];
  const value = Number.isFinite(found) ? `${Number(found.toPrecision(4))} ${unit}` : "not measured";
  return [{ sentence: `${what}: ${value}, allowed ${allowed}`, ratio: found / allowed }];
}

/** Why a candidate is not as good as fp32; undefined when it is inside every tolerance. */
export function reasonOutside(
  { agreement, tolerances }: Pick<Measured, "agreement" | "tolerances">,
  { maximumDisagreementShare }: Pick<OptimizationSettings, "maximumDisagreementShare">,
): string | undefined {
  const { rowCount, sameDecisionShare } = agreement;
  const differentCount = Math.round(rowCount * (1 - sameDecisionShare));
  if (!(differentCount <= maximumDisagreementShare * rowCount)) {
    return `${percent(1 - sameDecisionShare)} of ${rowCount} decisions differ, allowed ${percent(maximumDisagreementShare)}`;
  }
  return tolerances.find(({ verdict }) => verdict !== "pass")?.reason.replace("the champion", "fp32");
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
