import { performance } from "node:perf_hooks";

import type { Database } from "../db/client.ts";
import { explainPrediction } from "../db/queries/explain.ts";
import { loadGraph } from "../db/queries/lineage/load-graph.ts";
import { loadImpact } from "../db/queries/lineage/load-impact.ts";
import type { GeneratedLineage } from "./lineage-data.ts";

export interface LineageMeasure {
  readonly measure: string;
  /** Milliseconds. */
  readonly value: number;
  /** Milliseconds it should take at most. */
  readonly aim: number;
}

/** The questions of lineage at the size `generateLineage` made, as clients ask them; each answer is whole or this throws. */
export async function measureLineage(
  database: Database,
  data: GeneratedLineage,
  repeats = 7,
): Promise<LineageMeasure[]> {
  const traces = await times(data.inferenceIds, async (id) => {
    const explained = await explainPrediction(database, id);
    if (explained?.trainingData.length !== 1) throw new Error(`prediction ${id} has no training data`);
  });
  const upstream = await times(Array(repeats).fill(data.deep), (ref) => loadWhole(database, ref, "upstream", 5000));
  const downstream = await times(Array(repeats).fill(data.wide), (ref) =>
    loadWhole(database, ref, "downstream", 2 * data.wideVersionCount),
  );
  const impact = await times(Array(repeats).fill(data.wide), async (ref) => {
    const answer = await loadImpact(database, { ref });
    if (!answer?.complete || answer.versionCount < data.wideVersionCount)
      throw new Error(`${ref}: ${answer?.versionCount} versions`);
  });
  return [
    { measure: "decision trace, p50", value: quantile(traces, 0.5), aim: 50 },
    { measure: "decision trace, p95", value: quantile(traces, 0.95), aim: 50 },
    { measure: "upstream of 5,000 things, median", value: quantile(upstream, 0.5), aim: 250 },
    {
      measure: `downstream of ${(2 * data.wideVersionCount).toLocaleString("en-US")} things, median`,
      value: quantile(downstream, 0.5),
      aim: 1000,
    },
    {
      measure: `impact of a dataset behind ${data.wideVersionCount.toLocaleString("en-US")} versions, median`,
      value: quantile(impact, 0.5),
      aim: 1000,
    },
  ];
}

async function loadWhole(
  database: Database,
  ref: string,
  direction: "upstream" | "downstream",
  least: number,
): Promise<void> {
  const graph = await loadGraph(database, { refs: [ref], direction, limit: 100_000 });
  if (!graph?.complete || graph.nodeCount < least)
    throw new Error(`${direction} of ${ref}: ${graph?.nodeCount} things`);
}

/** Milliseconds of each call, one after the other. */
async function times<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  for (const item of items) {
    const before = performance.now();
    await work(item);
    taken.push(performance.now() - before);
  }
  return taken;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
