import { join } from "node:path";
import type { ColumnBatch } from "../../contracts/data.ts";
import {
  latenciesSchema,
  memorySchema,
  type Candidate,
  type OptimizationSettings,
} from "../../contracts/optimization.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import type { Comparer } from "../inference/compare-outputs.ts";
import type { LoadedModel } from "../inference/load-model.ts";
import { measureInvariance, measureWays } from "../inference/measure-candidates.ts";
import { measureEvidence } from "../inference/measure-evidence.ts";
import { measureMemory } from "../inference/measure-memory.ts";
import { spreadRows } from "../inference/take-rows.ts";
import { RUNTIME_VERSION } from "../inference/session.ts";
import type { KeptResults } from "./keep-results.ts";
import type { Survivor } from "./search-passes.ts";

/** Rows that what could overflow is looked at on. */
const EVIDENCE_ROWS = 64;

interface MeasuringContext {
  readonly settings: OptimizationSettings;
  /** At least one row. */
  readonly rows: ColumnBatch;
  /** The data, for failures. */
  readonly where: string;
  readonly comparer: Comparer;
  /** Where the candidates' files are. */
  readonly outputDirectory: string;
  readonly kept: KeptResults;
  /** The processor, which timings hold for. */
  readonly host: string;
}

/** Times candidates beside each other, and measures the rest of what is chosen by. */
export async function measureSurvivors(
  survivors: readonly [Survivor, ...Survivor[]],
  context: MeasuringContext,
): Promise<Omit<Candidate, "refused" | "unmet" | "onParetoFront">[]> {
  const { settings, rows, where, kept, host } = context;
  const { batches, threads, constraints } = settings;
  const ways = { batches: [...batches, ...constraints.maximumP95Ms.map(({ batch }) => batch)], threads };
  const models = survivors.map(({ model }) => model.digest);
  const key = { what: "latency", models, ways, host, runtime: RUNTIME_VERSION };
  const latencies = await kept.once(key, latenciesSchema, () => measureWays(survivors, { ...ways, rows, where }));
  const some = spreadRows(rows, EVIDENCE_ROWS);
  const tensors = encodeFeatures({ signature: survivors[0].model.signature, batch: some, where });
  const measured = [];
  for (const [at, survivor] of survivors.entries()) {
    const { name, model, comparison, fallbacks } = survivor;
    const { agreement, tolerances, scores } = comparison;
    const isMemoryAsked = constraints.maximumMemoryBytes !== undefined;
    const batchInvariance = await measureInvariance(survivor, { rows, together: scores, where });
    const { comparer, outputDirectory } = context;
    const request = { comparer, settings, invariance: batchInvariance, isInteger: survivor.isInteger, tensors };
    measured.push({
      name,
      fallbacks: [...fallbacks],
      digest: model.digest,
      sizeBytes: model.bytes.length,
      latency: latencies[at] ?? [],
      agreement,
      tolerances: [...tolerances],
      memoryBytes: isMemoryAsked
        ? await memoryOf(name, model, { ...context, rowCount: Math.max(...ways.batches) })
        : null,
      batchInvariance,
      ...(await measureEvidence(survivor, { ...request, directory: join(outputDirectory, "measured") })),
    });
  }
  return measured;
}

function memoryOf(
  name: string,
  { digest, signature }: LoadedModel,
  { outputDirectory, kept, rowCount }: MeasuringContext & { readonly rowCount: number },
): Promise<number | null> {
  const path = join(outputDirectory, `${name}.onnx`);
  const key = { what: "memory", model: digest, rowCount, runtime: RUNTIME_VERSION };
  return kept.once(key, memorySchema, () => measureMemory({ path, digest, signature, rowCount }));
}
