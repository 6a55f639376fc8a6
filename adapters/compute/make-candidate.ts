import type { DataSource } from "../../contracts/data.ts";
import type { QuantizationPassName } from "../../contracts/names.ts";
import {
  calibrationRecordSchema,
  quantizationOptions,
  type CalibrationRecord,
  type OptimizationSettings,
} from "../../contracts/optimization.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import type { ActivationRange, NodeAction } from "../../core/quantization/pass.ts";
import { quantizeModel, valuesToCalibrate } from "../../core/quantization/quantize.ts";
import { quantizationPass } from "../../core/quantization/registry.ts";
import { digestFile } from "../artifacts/file-store.ts";
import type { LoadedModel } from "../inference/load-model.ts";
import { digestOf } from "../inference/read-model.ts";
import { measureRanges } from "../inference/measure-ranges.ts";
import { drawRows } from "../inference/measure-sample.ts";
import { openSession, RUNTIME_VERSION } from "../inference/session.ts";
import { readBatches } from "../tables/read-batches.ts";
import type { KeptResults } from "./keep-results.ts";

/** What candidates are made from. */
export interface Workshop {
  readonly original: LoadedModel;
  /** As ONNX Runtime's basic level saves the original. */
  readonly folded: Uint8Array;
  /** The model's file, for failures. */
  readonly where: string;
  readonly calibrationData: DataSource;
  readonly settings: OptimizationSettings;
  readonly kept: KeptResults;
}

/** A candidate ready to run; whoever made it closes its session. */
export interface MadeCandidate {
  readonly pass: QuantizationPassName;
  readonly model: LoadedModel;
  readonly nodes: readonly NodeAction[];
  readonly calibration: CalibrationRecord | null;
  readonly fallbacks: readonly string[];
}

/**
 * The candidate of a pass with some nodes left in float beside those the settings exclude.
 *
 * @throws QUANTIZATION_UNSUPPORTED when nothing is left to quantize, INFERENCE_FAILED when it cannot be calibrated or opened
 */
export async function makeCandidate(
  workshop: Workshop,
  pass: QuantizationPassName,
  fallbacks: readonly string[] = [],
): Promise<MadeCandidate> {
  const { original, folded, where, settings } = workshop;
  const given = quantizationOptions(settings);
  const excluded = [...given.nodesToExclude, ...fallbacks];
  const options = { ...given, folded, nodesToExclude: excluded };
  const values = valuesToCalibrate(original.bytes, pass, where, options);
  const calibration = values.length === 0 ? null : await calibrate(workshop, pass, { folded, given });
  const { model: bytes, nodes } = quantizeModel(original.bytes, pass, where, {
    ...options,
    ranges: rangesOf(calibration),
  });
  const digest = digestOf(bytes);
  const session = await openSession({ model: bytes, digest });
  return { pass, model: { ...original, session, digest, bytes }, nodes, calibration, fallbacks };
}

function rangesOf(calibration: CalibrationRecord | null): ReadonlyMap<string, ActivationRange> {
  const ranges = Object.entries(calibration?.ranges ?? {});
  return new Map(ranges.map(([value, [low, high]]) => [value, { low, high }]));
}

/**
 * Learns the ranges of the values inside the model on rows drawn at random, or finds them learned before: once for a pass, of all values it
 * could ask for, since what it leaves in float later needs no others.
 */
async function calibrate(
  { original, where, calibrationData: data, settings, kept }: Workshop,
  pass: QuantizationPassName,
  { folded, given }: { readonly folded: Uint8Array; readonly given: ReturnType<typeof quantizationOptions> },
): Promise<CalibrationRecord> {
  const model = quantizationPass(pass).source === "folded" ? { ...original, bytes: folded } : original;
  const values = valuesToCalibrate(original.bytes, pass, where, { ...given, folded });
  const { rows: rowCount, seed, method, percentile } = settings.calibration;
  const made = {
    method,
    percentile: method === "percentile" ? percentile : null,
    seed,
    dataDigest: (await digestFile(data.path)).digest,
    modelDigest: digestOf(model.bytes),
  };
  const key = { what: "calibration", ...made, rowCount, values, runtime: RUNTIME_VERSION };
  return kept.once(key, calibrationRecordSchema, async () => {
    const batches = readBatches(data, { columns: featureColumns(model.signature) });
    const rows = await drawRows(batches, { rowCount, seed });
    const ranges = await measureRanges({ model, values, rows, where: data.path, settings: settings.calibration });
    const sorted = [...ranges].toSorted(([one], [other]) => (one < other ? -1 : 1));
    const bounds = sorted.map(([value, { low, high }]): [string, [number, number]] => [value, [low, high]]);
    return {
      ...made,
      rowCount: rows.reduce((sum, batch) => sum + batch.rowCount, 0),
      ranges: Object.fromEntries(bounds),
      rangesDigest: digestOf(new TextEncoder().encode(JSON.stringify(bounds))),
    };
  });
}
