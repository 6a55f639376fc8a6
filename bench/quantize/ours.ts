/**
 * Quantizes a model as the peer does, several times in a process of its own, and says what it took: one JSON line.
 *
 *     node adapters/compute/bundled.mjs bench/quantize/ours.ts dynamic|static MODEL TRAINING.csv TARGET TIMES
 */
import { readFile, writeFile } from "node:fs/promises";
import { foldModel } from "../../adapters/inference/fold-model.ts";
import { measureRanges } from "../../adapters/inference/measure-ranges.ts";
import { openSession } from "../../adapters/inference/session.ts";
import { isFailure } from "../../contracts/failures.ts";
import { buildGraph } from "../../core/onnx/build.ts";
import { serializeModel } from "../../core/onnx/model.ts";
import { quantizeModel, valuesToCalibrate } from "../../core/quantization/quantize.ts";
import { columnsOf, readRows, signatureOf } from "./rows.ts";

const [kind = "", source = "", training = "", target = "", times = "1"] = process.argv.slice(2);
const ROWS = 500;
const signature = signatureOf(await columnsOf(training));
const rows = [await batchOf(training)];
await startRuntime();
const seconds: number[] = [];
let peak = 0;
try {
  for (let count = 0; count < Number(times); count++) {
    const start = performance.now();
    const bytes = await readFile(source);
    await writeFile(target, kind === "dynamic" ? dynamic(bytes) : await calibrated(bytes));
    seconds.push((performance.now() - start) / 1000);
    // Of the first alone: what it left for the collector is not what one takes.
    peak ||= await peakBytes();
  }
  process.stdout.write(JSON.stringify({ seconds, peakBytes: peak }));
} catch (thrown) {
  if (!isFailure(thrown)) throw thrown;
  process.stdout.write(JSON.stringify({ problem: thrown.message }));
}

/** The first rows as the columns the model's signature names. */
async function batchOf(path: string) {
  const { tensor } = await readRows(path);
  const width = tensor.shape[1];
  const rowCount = Math.min(ROWS, tensor.shape[0]);
  const columns = (await columnsOf(path)).map((name, column) => {
    const values = Float64Array.from({ length: rowCount }, (_, row) => tensor.data[row * width + column] ?? 0);
    return [name, { kind: "number", values }] as const;
  });
  return { rowCount, columns: new Map(columns) };
}

/** ONNX Runtime begins with its first session; Python's begins when it is imported, and with its first one. Both are start-up. */
async function startRuntime(): Promise<void> {
  const graph = buildGraph("nothing");
  graph.add("Relu", [graph.input("x", "FP32", [1])], {}, { output: "y" });
  graph.output("y", "FP32", [1]);
  const session = await openSession({ model: serializeModel(graph.model()), digest: null });
  await session.close();
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
