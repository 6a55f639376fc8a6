/**
 * Quantizes a model as the peer does, in a process of its own, and says what it took: one JSON line.
 *
 *     node --import tsx bench/quantize/ours.ts dynamic|static MODEL TRAINING.csv TARGET
 */
import { readFile, writeFile } from "node:fs/promises";
import { foldModel } from "../../adapters/inference/fold-model.ts";
import { measureRanges } from "../../adapters/inference/measure-ranges.ts";
import { sampleRows } from "../../adapters/inference/sample-rows.ts";
import { isFailure } from "../../contracts/failures.ts";
import { featureColumns } from "../../core/data/feature-columns.ts";
import { quantizeModel, valuesToCalibrate } from "../../core/quantization/quantize.ts";
import { columnsOf, signatureOf } from "./rows.ts";

const [kind = "", source = "", training = "", target = ""] = process.argv.slice(2);
const signature = signatureOf(await columnsOf(training));
const rows = await sampleRows({ path: training }, featureColumns(signature), 500);
const start = performance.now();
try {
  const bytes = new Uint8Array(await readFile(source));
  await writeFile(target, kind === "dynamic" ? dynamic(bytes) : await calibrated(bytes));
  process.stdout.write(JSON.stringify({ seconds: (performance.now() - start) / 1000, peakBytes: await peakBytes() }));
} catch (thrown) {
  if (!isFailure(thrown)) throw thrown;
  process.stdout.write(JSON.stringify({ problem: thrown.message }));
}

function dynamic(bytes: Uint8Array): Uint8Array {
  return quantizeModel(bytes, "dynamic-int8", source).model;
}

/** As the peer, from the file to the file: calibration included. */
async function calibrated(bytes: Uint8Array): Promise<Uint8Array> {
  const folded = await foldModel(bytes);
  const values = valuesToCalibrate(bytes, "static-int8", source, { folded });
  const settings = { method: "min-max", percentile: 100 } as const;
  const model = { bytes: folded, signature };
  const ranges = await measureRanges({ model, values, rows, where: training, settings });
  return quantizeModel(bytes, "static-int8", source, { folded, ranges }).model;
}

async function peakBytes(): Promise<number> {
  return Number(/^VmHWM:\s+(\d+)/m.exec(await readFile("/proc/self/status", "utf8"))?.[1]) * 1024;
}
