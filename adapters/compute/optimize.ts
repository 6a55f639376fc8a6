import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DataSource } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { OptimizationReport, OptimizationSettings } from "../../contracts/optimization.ts";
import type { Digest } from "../../contracts/primitives.ts";
import { SERVING_RECORD } from "../../contracts/serving-record.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { chooseCandidate, ORIGINAL } from "../../core/quantization/choose.ts";
import { quantizationPass } from "../../core/quantization/registry.ts";
import { digestFile } from "../artifacts/file-store.ts";
import { createComparer } from "../inference/compare-outputs.ts";
import { foldModel } from "../inference/fold-model.ts";
import { describeHost } from "../inference/host.ts";
import { loadModel } from "../inference/load-model.ts";
import { digestOf } from "../inference/read-model.ts";
import { sampleRows } from "../inference/sample-rows.ts";
import { recordServing } from "../inference/serving-record.ts";
import { SESSION_OPTIONS } from "../inference/session.ts";
import type { JobContext } from "./job.ts";
import { keepResults } from "./keep-results.ts";
import { PRESENT_MAKER, recordMaker } from "./maker.ts";
import { measureSurvivors } from "./measure-survivors.ts";
import { measureLayers } from "./search-candidate.ts";
import { trackSearch } from "./search-progress.ts";
import { searchPasses, type Survivor } from "./search-passes.ts";

export interface OptimizeInput {
  /** `name` is what it is called where something is said of it: its path unless told. */
  readonly model: { readonly path: string; readonly digest: Digest; readonly name?: string };
  readonly signature: ModelSignature;
  /** Rows that candidates must agree on and are timed with. */
  readonly data: DataSource;
  /** Rows that ranges are taken from: other rows than those of the agreement, or the candidate would be judged by what it was fitted to. */
  readonly calibrationData: DataSource;
  readonly settings: OptimizationSettings;
  /** Every candidate is left here as `<name>.onnx`. */
  readonly outputDirectory: string;
}

/**
 * Searches for candidates inside the tolerances, measures them beside fp32 in every way of serving, and chooses one. Keeping fp32 is a valid
 * answer. What was measured is kept in the output directory: the same search again, after a crash or a kill, goes on where it was.
 */
export async function optimize(input: OptimizeInput, { progress }: JobContext): Promise<OptimizationReport> {
  const { signature, data, calibrationData, settings, outputDirectory } = input;
  const { constraints, proxyRows } = settings;
  const end = performance.now() + settings.searchBudgetMs;
  const original = await loadModel({ ...input.model, signature });
  const labelled = constraints.tolerances.length === 0 ? [] : [signature.label, ...constraints.slices];
  const columns = [...new Set([...featureColumns(signature), ...labelled])];
  const rows = await sampleRows(data, columns, settings.sampleRows);
  const [firstRows] = rows;
  if (firstRows === undefined) throw new Failure("DATA_EMPTY", { where: data.path, window: "" });
  progress(0.1, "rows sampled");

  await mkdir(join(outputDirectory, "measured"), { recursive: true });
  const kept = keepResults(join(outputDirectory, "measured"));
  const passes = [...new Set(settings.passes)];
  const isFolded = passes.some((pass) => quantizationPass(pass).source === "folded");
  const folded = isFolded ? await foldModel(original.bytes) : original.bytes;
  const comparer = await createComparer({ original, rows, proxyRows, constraints, where: data.path });
  const own: Survivor = {
    name: ORIGINAL,
    model: original,
    batchInvariant: true,
    isInteger: false,
    fallbacks: [],
    comparison: await comparer.compare(ORIGINAL, original, "full"),
  };
  await writeFile(join(outputDirectory, `${ORIGINAL}.onnx`), original.bytes);
  const search = {
    workshop: { original, folded, where: input.model.name ?? input.model.path, calibrationData, settings, kept },
    comparer,
    rowsKey: { model: original.digest, data: (await digestFile(data.path)).digest },
    outputDirectory,
    hasTime: () => performance.now() < end,
    tracker: trackSearch(passes, original.bytes.length, (note, known, doneCount) =>
      progress(0.1 + (0.5 * doneCount) / passes.length, note, known),
    ),
  };
  const { survivors, report } = await searchPasses(passes, search);
  progress(0.6, `timing ${survivors.length + 1} candidates beside each other`);

  const { cpu, cpuFeatures } = await describeHost();
  const context = { settings, comparer, host: cpu, rows: firstRows, where: data.path, outputDirectory, kept };
  const measured = await measureSurvivors([own, ...survivors], context);
  const { refused, unmet, front, ...choice } = chooseCandidate(measured, settings);
  const chosen = survivors.find(({ name }) => name === choice.chosen);
  const { model, isInteger, comparison } = chosen ?? own;
  const request = { model, isInteger, agreement: comparison.agreement, serving: choice.serving, settings };
  const record = await recordServing({ ...request, rows: firstRows, where: data.path });
  await writeFile(join(outputDirectory, SERVING_RECORD), record);
  for (const { model: loaded } of [own, ...survivors]) await loaded.session.close();
  const layers =
    chosen === undefined
      ? []
      : await measureLayers(
          chosen.name,
          { nodes: report.nodes[chosen.name] ?? [], fallbacks: chosen.fallbacks },
          search,
        );
  return {
    source: original.digest,
    settings,
    ...report,
    layers: layers.map(({ layer, signalToNoiseDb }) => ({ name: layer ?? "", signalToNoiseDb })),
    candidates: measured.map((candidate) => ({
      ...candidate,
      refused: refused.get(candidate.name) ?? null,
      unmet: [...(unmet.get(candidate.name) ?? [])],
      onParetoFront: front.has(candidate.name),
    })),
    ...choice,
    servingRecord: digestOf(record),
    reason: [choice.reason, ...report.unmade.map((pass) => `${pass.name}: ${pass.reason}`)].join("; "),
    runtime: {
      ...recordMaker(PRESENT_MAKER),
      node: process.version,
      cpu,
      cpuFeatures,
      sessionOptions: JSON.stringify(SESSION_OPTIONS),
      platform: `${process.platform} ${process.arch}`,
    },
  };
}
