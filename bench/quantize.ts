import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { optimize } from "../adapters/compute/optimize.ts";
import { digestOf } from "../adapters/inference/read-model.ts";
import { openSession } from "../adapters/inference/session.ts";
import { optimizationSettingsSchema } from "../contracts/optimization.ts";
import { modelSignatureSchema } from "../contracts/signature.ts";
import { quantizeModel } from "../core/quantization/quantize.ts";

/**
 * `npm run bench -- quantize`: seven trained models, each optimized for latency by every pass, beside `onnxruntime.quantization` in the same
 * run; one JSON line a measure. `MODELWRIGHT_PYTHON` names a Python with the packages of `bench/quantize/models.py`, which trains
 * the models; `MODELWRIGHT_BENCH_MODELS` a folder of them already trained.
 */
const KINDS = ["mlp", "embedding", "cnn", "lstm", "gru", "transformer", "forest"];
const PEER = "onnxruntime.quantization, per channel";
const python = process.env["MODELWRIGHT_PYTHON"] ?? "python3";
const script = (name: string) => fileURLToPath(new URL(`quantize/${name}.py`, import.meta.url));

const scratch = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const folder = process.env["MODELWRIGHT_BENCH_MODELS"] ?? scratch;
const rows = Array.from({ length: 64 }, (_, at) => `p${at}`);
const signature = modelSignatureSchema.parse({
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 64], features: rows.map((column) => ({ kind: "number", column })) },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "high",
  prediction: { kind: "binary", output: "probability" },
});
const settings = optimizationSettingsSchema.parse({
  passes: ["fold-fp32", "store-f16", "store-int8", "dynamic-int8", "static-int8"],
  constraints: { tolerances: [{ metric: "accuracy", maximumDrop: 0.02 }] },
});

try {
  if (!existsSync(join(folder, "mlp.onnx"))) run("models");
  const peers = run("peer")
    .trim()
    .split("\n")
    .map(
      (line) => JSON.parse(line) as { model: string; pass: string; seconds?: number; bytes?: number; problem?: string },
    );
  for (const kind of KINDS) {
    await searchFor(kind);
    const bytes = new Uint8Array(await readFile(join(folder, `${kind}.onnx`)));
    const peer = peers.find(({ model, pass }) => model === kind && pass === "dynamic");
    if (kind === "forest" || peer?.seconds === undefined || peer.bytes === undefined) continue;
    const start = performance.now();
    const sizeBytes = attempt(() => quantizeModel(bytes, "dynamic-int8", kind).sizeBytes) ?? bytes.length;
    print(`${kind}: dynamic int8, time`, performance.now() - start, "ms", peer.seconds * 1000);
    print(`${kind}: dynamic int8, size of fp32`, sizeBytes / bytes.length, "ratio", peer.bytes / bytes.length);
    const theirs = await accuracyOf(join(folder, "peer", `${kind}.dynamic.onnx`)).catch(() => Number.NaN);
    const own = join(scratch, kind, "dynamic-int8.onnx");
    if (existsSync(own)) print(`${kind}: dynamic int8, accuracy`, await accuracyOf(own), "share", theirs);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** The whole search, and the chosen candidate beside fp32. */
async function searchFor(kind: string): Promise<void> {
  const path = join(folder, `${kind}.onnx`);
  const model = { path, digest: digestOf(new Uint8Array(await readFile(path))) };
  const [data, calibrationData] = [{ path: join(folder, "test.csv") }, { path: join(folder, "training.csv") }];
  const start = performance.now();
  const input = { model, signature, data, calibrationData, settings, outputDirectory: join(scratch, kind) };
  const report = await optimize(input, { progress: () => undefined });
  const seconds = (performance.now() - start) / 1000;
  const original = report.candidates[0];
  const chosen = report.candidates.find(({ name }) => name === report.chosen);
  if (original === undefined || chosen === undefined) return;
  const line = {
    bench: "quantize",
    measure: `${kind}: search`,
    value: round(seconds),
    unit: "s",
    outcome: report.outcome,
    chosen: chosen.name,
    fallbacks: chosen.fallbacks,
    sizeKiB: round(original.sizeBytes / 1024),
    sizeRatio: round(chosen.sizeBytes / original.sizeBytes),
    p50Ms: original.latency.map(({ p50Ms }) => round(p50Ms)),
    p50Ratio: chosen.latency.map(({ p50Ms }, at) => round(p50Ms / (original.latency[at]?.p50Ms ?? Number.NaN))),
    accuracy: round(await accuracyOf(path)),
    accuracyChosen: round(await accuracyOf(join(scratch, kind, `${chosen.name}.onnx`))),
    outputsDb: chosen.agreement.signalToNoiseDb === null ? null : round(chosen.agreement.signalToNoiseDb),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function accuracyOf(path: string): Promise<number> {
  const bytes = new Uint8Array(await readFile(path));
  const session = await openSession({ model: bytes, digest: digestOf(bytes) });
  const lines = (await readFile(join(folder, "test.csv"), "utf8")).trim().split("\n").slice(1);
  const cells = lines.map((line) => line.split(",").map(Number));
  const data = Float32Array.from(cells.flatMap((row) => row.slice(0, 64)));
  const [scores] = await session.run([{ name: "x", datatype: "FP32", shape: [cells.length, 64], data }]);
  await session.close();
  const right = cells.filter((row, at) => Number(scores?.data[at] ?? 0) >= 0.5 === (row[64] === 1));
  return right.length / cells.length;
}

function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    // A model without a node that pays is left as it is.
    return undefined;
  }
}

function run(name: string): string {
  return execFileSync(python, [script(name), folder], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "ignore"],
  });
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function print(measure: string, value: number, unit: string, peerValue: number): void {
  const [mine, theirs] = [round(value), round(peerValue)];
  const line = {
    bench: "quantize",
    measure,
    value: mine,
    unit,
    peer: PEER,
    peerValue: theirs,
    ratio: round(value / peerValue),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
