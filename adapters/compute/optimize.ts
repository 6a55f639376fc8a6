import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { DataSource } from "../../contracts/data.ts";
import { Failure, isFailure } from "../../contracts/failures.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import {
  calibrationRecordSchema,
  quantizationOptions,
  type CalibrationRecord,
  type OptimizationReport,
  type OptimizationSettings,
} from "../../contracts/optimization.ts";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { chooseCandidate, ORIGINAL } from "../../core/quantization/choose.ts";
import type { ActivationRange } from "../../core/quantization/pass.ts";
import { quantizeModel, valuesToCalibrate } from "../../core/quantization/quantize.ts";
import { quantizationPass } from "../../core/quantization/registry.ts";
import { digestFile } from "../artifacts/file-store.ts";
import { foldModel } from "../inference/fold-model.ts";
import { digestOf, loadModel, type LoadedModel } from "../inference/load-model.ts";
import { measureCandidates, type NamedModel } from "../inference/measure-candidates.ts";
import { measureRanges } from "../inference/measure-ranges.ts";
import { drawRows } from "../inference/measure-sample.ts";
import { sampleRows } from "../inference/sample-rows.ts";
import { openSession, RUNTIME_VERSION } from "../inference/session.ts";
import { readBatches } from "../tables/read-batches.ts";
import type { JobContext } from "./job.ts";
import { keepResults } from "./keep-results.ts";

export interface OptimizeInput {
  readonly model: { readonly path: string; readonly digest: Digest };
  readonly signature: ModelSignature;
  /** Rows that candidates must agree on and are timed with. */
  readonly data: DataSource;
  /** Rows that ranges are taken from: other rows than those of the agreement, or the candidate would be judged by what it was fitted to. */
  readonly calibrationData: DataSource;
  readonly settings: OptimizationSettings;
  /** Every candidate is left here as `<name>.onnx`. */
  readonly outputDirectory: string;
}

/** Makes the candidates, measures size, latency and agreement with fp32, and chooses one. Keeping fp32 is a valid answer. */
export async function optimize(input: OptimizeInput, { progress }: JobContext): Promise<OptimizationReport> {
  const { signature, data, settings, outputDirectory } = input;
  const original = await loadModel({ ...input.model, signature });
  const rows = await sampleRows(data, featureColumns(signature), settings.sampleRows);
  if (rows.length === 0) throw new Failure("DATA_EMPTY", { where: data.path, window: "" });
  progress(0.2, "rows sampled");

  const nodes: OptimizationReport["nodes"] = {};
  const calibrations: OptimizationReport["calibrations"] = {};
  const models: [NamedModel, ...NamedModel[]] = [{ name: ORIGINAL, model: original, batchInvariant: true }];
  const unmade: OptimizationReport["unmade"] = [];
  const passes = [...new Set(settings.passes)];
  const isFolded = passes.some((pass) => quantizationPass(pass).source === "folded");
  const folded = isFolded ? await foldModel(original.bytes) : original.bytes;
  for (const pass of passes) {
    const made = await makeCandidate({ original, folded }, pass, input);
    nodes[pass] = "refused" in made ? [] : made.nodes;
    if ("refused" in made) {
      unmade.push({ name: pass, reason: made.refused });
      continue;
    }
    if (made.calibration !== null) calibrations[pass] = made.calibration;
    models.push({ name: pass, model: made.model, batchInvariant: quantizationPass(pass).batchInvariant });
    progress(0.2 + (0.2 * (models.length - 1)) / settings.passes.length, `${pass} made`);
  }
  await mkdir(outputDirectory, { recursive: true });
  for (const { name, model } of models) await writeFile(join(outputDirectory, `${name}.onnx`), model.bytes);
  progress(0.4, `${models.length} candidates made`);

  const { candidates, failed } = await measureCandidates(models, { rows, where: data.path });
  unmade.push(...failed);
  const { chosen, reason, refused } = chooseCandidate(candidates, settings);
  return {
    source: original.digest,
    settings,
    candidates: candidates.map((candidate) => ({ ...candidate, refused: refused.get(candidate.name) ?? null })),
    unmade,
    chosen,
    reason: [reason, ...unmade.map((pass) => `${pass.name}: ${pass.reason}`)].join("; "),
    calibrations,
    nodes,
    runtime: {
      "onnxruntime-node": RUNTIME_VERSION,
      node: process.version,
      cpu: cpus()[0]?.model.trim() ?? "unknown",
      platform: `${process.platform} ${process.arch}`,
    },
  };
}

/** The candidate and what became of each node, or why there is none: a model without anything to quantize is no error. */
async function makeCandidate(
  { original, folded }: { readonly original: LoadedModel; readonly folded: Uint8Array },
  pass: QuantizationPassName,
  input: OptimizeInput,
) {
  const where = input.model.path;
  const options = { ...quantizationOptions(input.settings), folded };
  try {
    const values = valuesToCalibrate(original.bytes, pass, where, options);
    const source = quantizationPass(pass).source === "folded" ? { ...original, bytes: folded } : original;
    const calibration = values.length === 0 ? null : await calibrate(source, values, input);
    const ranges = calibration?.ranges ?? new Map<string, ActivationRange>();
    const { model: bytes, nodes } = quantizeModel(original.bytes, pass, where, { ...options, ranges });
    const digest = digestOf(bytes);
    const session = await openSession({ model: bytes, digest });
    const model = { ...original, session, digest, bytes };
    return { model, nodes: [...nodes], calibration: calibration?.record ?? null };
  } catch (thrown) {
    // A candidate that cannot be calibrated or opened is out; the original was opened before.
    const isAnswer =
      isFailure(thrown) && (thrown.code === "QUANTIZATION_UNSUPPORTED" || thrown.code === "INFERENCE_FAILED");
    if (isAnswer) return { refused: thrown.message };
    throw thrown;
  }
}

/** Learns the ranges of values inside the model on rows drawn at random, or finds them learned before. */
async function calibrate(
  model: LoadedModel,
  values: readonly string[],
  { calibrationData: data, settings: { calibration: settings }, outputDirectory }: OptimizeInput,
): Promise<{ readonly ranges: ReadonlyMap<string, ActivationRange>; readonly record: CalibrationRecord }> {
  const { rows: rowCount, seed, method, percentile } = settings;
  const made = {
    method,
    percentile: method === "percentile" ? percentile : null,
    seed,
    dataDigest: (await digestFile(data.path)).digest,
    modelDigest: digestOf(model.bytes),
  };
  const key = { what: "calibration", ...made, rowCount, values, runtime: RUNTIME_VERSION };
  const record = await keepResults(join(outputDirectory, "measured")).once(key, calibrationRecordSchema, async () => {
    const batches = readBatches(data, { columns: featureColumns(model.signature) });
    const rows = await drawRows(batches, { rowCount, seed });
    const ranges = await measureRanges({ model, values, rows, where: data.path, settings });
    const sorted = [...ranges].toSorted(([one], [other]) => (one < other ? -1 : 1));
    const bounds = sorted.map(([value, { low, high }]): [string, [number, number]] => [value, [low, high]]);
    return {
      ...made,
      rowCount: rows.reduce((sum, batch) => sum + batch.rowCount, 0),
      ranges: Object.fromEntries(bounds),
      rangesDigest: digestOf(new TextEncoder().encode(JSON.stringify(bounds))),
    };
  });
  const ranges = Object.entries(record.ranges).map(([value, [low, high]]) => [value, { low, high }] as const);
  return { ranges: new Map(ranges), record };
}
