import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { optimize } from "../adapters/compute/optimize.ts";
import { measureLatency } from "../adapters/inference/measure-latency.ts";
import { digestOf } from "../adapters/inference/read-model.ts";
import { openSession } from "../adapters/inference/session.ts";
import { optimizationSettingsSchema } from "../contracts/optimization.ts";
import { measureAgreement } from "../core/quantization/agreement.ts";
import { runRatios } from "../core/quantization/objective.ts";
import { quantileSorted } from "../core/stats/quantile-sorted.ts";
import { columnsOf, readRows, signatureOf } from "./quantize/rows.ts";

/**
 * `npm run bench -- quantize`: seven trained models, each optimized for latency by every pass; dynamic and static int8 beside
 * `onnxruntime.quantization` on the same files and rows, each in a process of its own, also of 140 MB of weights, for time and memory; and the
 * whole search on 24 layers and 10,000 rows. One JSON line a measure. Ends with an error when a chosen candidate is slower than fp32 by the
 * search's own measurement of both, int8 is larger or further from fp32 than is promised, or the search of 24 layers took 60 s.
 * `MODELWRIGHT_PYTHON` names a Python with the packages of `examples/digits/train.py`, which trains the models;
 * `MODELWRIGHT_BENCH_MODELS` a folder of them already trained.
 */
const KINDS = ["mlp", "embedding", "cnn", "lstm", "gru", "transformer", "forest"];
/** How often each process quantizes: the first time code is compiled, or imported, and told apart from the median of the others. */
const TIMES = 7;
/** A score at or above it means a digit of 5 or more. */
const THRESHOLD = 0.5;
const TIMES_OF_WIDE = 3;
/** Of fp32's size, at most. */
const LARGEST_INT8 = 0.27;
/** How much further from fp32's outputs than the peer's ours may be: rounding falls one way or the other. */
const TOLERATED_DB = 0.5;
const PEER = "onnxruntime.quantization, per channel";
const python = process.env["MODELWRIGHT_PYTHON"] ?? "python3";
const bundled = fileURLToPath(new URL("../adapters/compute/bundled.mjs", import.meta.url));
const trainer = fileURLToPath(new URL("../examples/digits/train.py", import.meta.url));
const program = (name: string) => fileURLToPath(new URL(`quantize/${name}`, import.meta.url));

/** What did not hold. */
const broken: string[] = [];
const scratch = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const folder = process.env["MODELWRIGHT_BENCH_MODELS"] ?? scratch;
const passes = ["fold-fp32", "store-f16", "store-int8", "dynamic-int8", "static-int8"];
const settings = { passes, constraints: { tolerances: [{ metric: "accuracy", maximumDrop: 0.02 }] } };
/** Tight enough for layers to fall back: the search is the whole one. */
const tight = {
  passes,
  sampleRows: 10_000,
  minimumSignalToNoiseDb: 40,
  constraints: { tolerances: [{ metric: "accuracy", maximumDrop: 0.01 }] },
};

try {
  if (!existsSync(join(folder, "lstm256.onnx"))) run(python, trainer, folder);
  for (const kind of KINDS) {
    await search(kind, "", settings);
    if (kind !== "forest") for (const how of ["dynamic", "static"] as const) await beside(kind, how);
  }
  await beside("lstm256", "dynamic");
  for (const how of ["dynamic", "static"] as const) await beside("wide", how);
  await search("deep", "deep.", tight);
  if (broken.length > 0) throw new Error(broken.join("; "));
} finally {
  await rm(scratch, { recursive: true, force: true });
}

/** The whole search, and the chosen candidate beside fp32. */
async function search(kind: string, rows: "" | "deep.", given: object): Promise<void> {
  const path = join(folder, `${kind}.onnx`);
  const model = { path, digest: digestOf(new Uint8Array(await readFile(path))) };
  const [data, calibrationData] = [`${rows}test.csv`, `${rows}training.csv`].map((name) => ({
    path: join(folder, name),
  }));
  if (data === undefined || calibrationData === undefined) return;
  const signature = signatureOf(await columnsOf(data.path));
  const outputDirectory = join(scratch, kind);
  const start = performance.now();
  const report = await optimize(
    { model, signature, data, calibrationData, settings: optimizationSettingsSchema.parse(given), outputDirectory },
    { progress: () => undefined },
  );
  const seconds = (performance.now() - start) / 1000;
  const original = report.candidates[0];
  const chosen = report.candidates.find(({ name }) => name === report.chosen);
  if (original === undefined || chosen === undefined) return;
  for (const { batch, ratio } of runRatios(chosen, original))
    if (ratio > 1) broken.push(`${kind}: ${chosen.name} takes ${round(ratio)} of fp32 at batch ${batch}`);
  if (kind === "deep" && seconds >= 60) broken.push(`the search of ${kind} took ${round(seconds)} s`);
  print(`${kind}: search`, seconds, "s", {
    outcome: report.outcome,
    reason: report.reason,
    chosen: chosen.name,
    fallbacks: chosen.fallbacks,
    trialCount: report.trials.length,
    rowCount: chosen.agreement.rowCount,
    sizeKiB: round(original.sizeBytes / 1024),
    sizeRatio: round(chosen.sizeBytes / original.sizeBytes),
    p50Ms: original.latency.map(({ p50Ms }) => round(p50Ms)),
    p50Ratio: chosen.latency.map(({ p50Ms }, at) => round(p50Ms / (original.latency[at]?.p50Ms ?? Number.NaN))),
    accuracy: round(accuracyOf(await answer(path, data.path))),
    accuracyChosen: round(accuracyOf(await answer(join(outputDirectory, `${chosen.name}.onnx`), data.path))),
    outputsDb: chosen.agreement.signalToNoiseDb === null ? null : round(chosen.agreement.signalToNoiseDb),
  });
}

interface Quantized {
  /** Of each time, the first one cold. */
  readonly seconds: readonly number[];
  readonly peakBytes: number;
  /** From the start of the process to the start of the work. */
  readonly startSeconds: number;
  readonly path: string;
}

/** One kind of int8 by us and by the peer: what it took and what came of it. */
async function beside(kind: string, how: "dynamic" | "static"): Promise<void> {
  const what = `${kind}: ${how} int8`;
  const ours = await quantize("ours", kind, how, [process.execPath, bundled, program("ours.ts")]);
  const theirs = await quantize("peer", kind, how, [python, program("peer.py")]);
  if ("problem" in ours || "problem" in theirs) {
    const problem = (done: typeof ours) => ("problem" in done ? done.problem : null);
    print(what, Number.NaN, "", { problem: problem(ours), peer: PEER, peerProblem: problem(theirs) });
    return;
  }
  const compare = (measure: string, unit: string, mine: number, other: number) =>
    print(`${what}, ${measure}`, mine, unit, { peer: PEER, peerValue: round(other), ratio: round(mine / other) });
  compare("time, the first in its process", "ms", 1000 * cold(ours), 1000 * cold(theirs));
  compare("time, median of the others", "ms", 1000 * warm(ours), 1000 * warm(theirs));
  compare("start of the process, not counted", "ms", ours.startSeconds * 1000, theirs.startSeconds * 1000);
  compare("peak memory of the process", "MiB", ours.peakBytes / 2 ** 20, theirs.peakBytes / 2 ** 20);
  const source = join(folder, `${kind}.onnx`);
  const [own, other, all] = await Promise.all(
    [ours.path, theirs.path, source].map(async (path) => (await stat(path)).size),
  );
  if (own === undefined || other === undefined || all === undefined) return;
  compare("size of fp32", "ratio", own / all, other / all);
  if (own / all > LARGEST_INT8) broken.push(`${what} is ${round(own / all)} of fp32`);
  const [mine = [], peer = []] = await latencies([ours.path, theirs.path]);
  for (const [at, run] of mine.entries())
    compare(`p50 at batch ${run.batch}`, "µs", run.p50Ms * 1000, (peer[at]?.p50Ms ?? Number.NaN) * 1000);
  const test = join(folder, "test.csv");
  if (kind === "wide") return;
  const [fp32, answers, theirAnswers] = [
    await answer(source, test),
    await answer(ours.path, test),
    await answer(theirs.path, test),
  ];
  compare("accuracy", "share", accuracyOf(answers), accuracyOf(theirAnswers));
  const [near, theirNear] = [answers, theirAnswers].map(({ scores }) =>
    measureAgreement({ where: what, reference: fp32.scores, candidate: scores, threshold: THRESHOLD }),
  );
  const [decibels, theirDecibels] = [near?.signalToNoiseDb ?? Infinity, theirNear?.signalToNoiseDb ?? Infinity];
  compare("outputs beside fp32", "dB", decibels, theirDecibels);
  compare("rows decided as fp32", "share", near?.sameDecisionShare ?? 1, theirNear?.sameDecisionShare ?? 1);
  if (decibels < theirDecibels - TOLERATED_DB)
    broken.push(`${what}: outputs at ${round(decibels)} dB of fp32, theirs ${round(theirDecibels)}`);
}

async function quantize(who: string, kind: string, how: string, [command = "", ...words]: readonly string[]) {
  await mkdir(join(scratch, who), { recursive: true });
  const path = join(scratch, who, `${kind}.${how}.onnx`);
  const times = kind === "wide" ? TIMES_OF_WIDE : TIMES;
  const files = [join(folder, `${kind}.onnx`), join(folder, "training.csv"), path];
  const start = performance.now();
  const output = run(command, ...words, how, ...files, String(times));
  const answer = JSON.parse(output) as { readonly problem: string } | Pick<Quantized, "seconds" | "peakBytes">;
  if ("problem" in answer) return answer;
  const worked = answer.seconds.reduce((sum, seconds) => sum + seconds, 0);
  return { ...answer, path, startSeconds: (performance.now() - start) / 1000 - worked } satisfies Quantized;
}

function cold({ seconds }: Quantized): number {
  return seconds[0] ?? Number.NaN;
}

function warm({ seconds }: Quantized): number {
  return quantileSorted(
    seconds.slice(1).toSorted((one, other) => one - other),
    0.5,
  );
}

/** Of files of one signature, in turns. */
async function latencies(paths: readonly string[]) {
  const { tensor } = await readRows(join(folder, "test.csv"));
  const width = tensor.shape[1];
  const inputs = [1, 32].map((batch) => ({
    batch,
    tensors: [{ ...tensor, shape: [batch, width], data: tensor.data.subarray(0, batch * width) }],
  }));
  const runs = await Promise.all(paths.map(async (path) => ({ session: await open(path), threads: 1, inputs })));
  const found = await measureLatency(runs, { totalMs: 1500 * inputs.length, maximumRepeats: 2000 });
  for (const { session } of runs) await session.close();
  return found;
}

async function open(path: string) {
  const model = new Uint8Array(await readFile(path));
  return openSession({ model, digest: digestOf(model) });
}

interface Answers {
  readonly scores: readonly number[];
  readonly labels: readonly boolean[];
}

/** What a model says of all rows. */
async function answer(path: string, rows: string): Promise<Answers> {
  const { tensor, labels } = await readRows(rows);
  const session = await open(path);
  const [scores] = await session.run([tensor]);
  await session.close();
  return { scores: Array.from(scores?.data ?? [], Number), labels };
}

function accuracyOf({ scores, labels }: Answers): number {
  return labels.filter((label, at) => (scores[at] ?? 0) >= THRESHOLD === label).length / labels.length;
}

function run(command: string, ...words: readonly string[]): string {
  return execFileSync(command, words, { encoding: "utf8", maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"] });
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

function print(measure: string, value: number, unit: string, more: object): void {
  process.stdout.write(`${JSON.stringify({ bench: "quantize", measure, value: round(value), unit, ...more })}\n`);
}
