import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Tensor } from "../contracts/data.ts";
import type { ModelSignature } from "../contracts/signature.ts";
import { readBinaryData, writeBinaryData } from "../serving/protocol/binary-data.ts";
import { openSession } from "../adapters/inference/session.ts";
import {
  runLoad,
  startBenchGateway,
  startPlainServer,
  writeModels,
  type BenchGateway,
  type BenchModelFile,
} from "./gateway/children.ts";
import { cpuBetween, readCpuTimes } from "./gateway/cpu-time.ts";
import { startBenchDatabase } from "./gateway/database.ts";
import { startMlServer, type MlServer } from "./gateway/mlserver.ts";
import type { LoadRequest, LoadResult } from "./gateway-load.ts";
import { BENCH_MODELS, benchRows, type BenchModelName } from "./gateway-model.ts";

/**
 * `npm run bench -- gateway`: the gateway over keep-alive connections, beside MLServer from PyPI with the same ONNX files and the same
 * load, once with the models in a process of their own as ours are and once in the server itself, beside the least that serves a model, and beside a bare loop over ONNX Runtime. Gateway, its models, the load and Postgres, where the gateway ships its log meanwhile, have
 * a process each. One JSON line a measure.
 */
const SECONDS = 2;
/** Rows a request, and connections: together no more rows than may wait for a model. */
const BATCHES = [
  [64, 32],
  [512, 8],
  [4_096, 2],
] as const;
/** The models whose rows per second are compared: one that takes a tenth of a microsecond a row, and one that most are like. */
const BATCHED = ["tabular", "boosted"] as const;
type BatchedModel = (typeof BATCHED)[number];
/** Of requests whose rows are logged; all are counted. */
const SAMPLE_SHARES = [0.001, 0.01, 1] as const;
const BARE = "bare ONNX Runtime loop, one thread";
const PLAIN = "node:http and ONNX Runtime in one process, and nothing else";
/** Requests one after the other that are more than the processor keeps at hand. */
const FRESH_BYTES = 64 * 2 ** 20;

/** Servers take turns at each line, so that a machine that changes its speed meets all of them. */
const TURNS = 2;

/** What is asked of every server in turns. */
interface Line extends Pick<LoadRequest, "model" | "connectionCount"> {
  readonly encodings: readonly LoadRequest["encoding"][];
}
const LINES: readonly Line[] = [
  ...[1, 32, 300].map(
    (connectionCount) => ({ model: "tabular", connectionCount, encodings: ["json", "binary"] }) as const,
  ),
  ...[1, 32].map((connectionCount) => ({ model: "image", connectionCount, encodings: ["json", "binary"] }) as const),
  // Three hundred images in JSON at once are a gigabyte: MLServer, which takes nothing else, is not asked for them.
  { model: "image", connectionCount: 300, encodings: ["binary"] },
];

const directory = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const files = await writeModels(directory);
const database = await startBenchDatabase(join(directory, "database"));
try {
  const bare = await measureBareLoop("tabular", 1);
  const bareBatches = await measureBareBatches();
  const gateway = await startBenchGateway(directory, database.url);
  try {
    await gateway.serve(files, 1, 1);
    await warmUp(gateway.url);
    await measureLines(gateway);
    await measureBesidePlain(gateway, bare);
    for (const [index, sampleShare] of SAMPLE_SHARES.entries()) {
      await gateway.serve(files, 2 + index, 1, sampleShare);
      for (const model of BATCHED) await measureBatches(gateway, model, bareBatches, sampleShare);
    }
    printMemory("the gateway's process after all of it", await gateway.memoryBytes());
  } finally {
    await gateway.stop();
  }
} finally {
  await database.stop();
  await rm(directory, { recursive: true, force: true });
}

/** What a server does in its first seconds is another measure: ours is still being compiled. */
async function warmUp(url: string): Promise<void> {
  for (const model of ["image", "tabular"] as const) {
    await runLoad({ url, model, rowCount: 1, encoding: "json", connectionCount: 32, seconds: SECONDS });
  }
}

interface Peer {
  readonly name: string;
  readonly url: string;
  readonly server: MlServer;
}

/** None, and said, where Python or its packages cannot be had. */
async function startPeers(): Promise<readonly Peer[]> {
  const models = new Map(files.map(({ name, path }) => [name, path]));
  const found: Peer[] = [];
  try {
    for (const workers of [1, 0] as const) {
      const server = await startMlServer(directory, models, workers);
      const name =
        workers === 1 ? "MLServer, JSON, model in a process of its own" : "MLServer, JSON, model in the server";
      found.push({ name, url: server.url, server });
    }
  } catch (problem) {
    process.stderr.write(`without MLServer: ${problem instanceof Error ? problem.message : String(problem)}\n`);
  }
  return found;
}

async function measureLines(gateway: BenchGateway): Promise<void> {
  const peers = await startPeers();
  try {
    for (const { url } of peers) await warmUp(url);
    for (const line of LINES) await measureLine(gateway, peers, line);
    for (const { name, server } of peers) printMemory(name, await server.memoryBytes());
  } finally {
    for (const { server } of peers) await server.stop();
  }
}

async function measureLine(
  gateway: BenchGateway,
  peers: readonly Peer[],
  { model, connectionCount, encodings }: Line,
): Promise<void> {
  const shape = { model, connectionCount, rowCount: 1, seconds: SECONDS };
  const own = encodings.map((encoding) => ({ encoding, loads: [] as LoadResult[], spent: noTime() }));
  const asked = encodings.includes("json") ? peers : [];
  const others = asked.map((peer) => ({ peer, loads: [] as LoadResult[] }));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const { encoding, loads, spent } of own) {
      const before = await readCpuTimes();
      loads.push(await runLoad({ ...shape, encoding, url: gateway.url }));
      const after = await readCpuTimes();
      const models = cpuBetween(before, after, gateway.pid, (command) => command.includes("model-process-child"));
      spent.gateway += cpuBetween(before, after, gateway.pid) - models;
      spent.model += models;
      spent.Postgres += cpuBetween(before, after, database.pid);
    }
    for (const { peer, loads } of others) loads.push(await runLoad({ ...shape, encoding: "json", url: peer.url }));
  }
  for (const { encoding, loads, spent } of own) {
    const name = `${model}, ${encoding}, ${connectionCount} connection${connectionCount === 1 ? "" : "s"}`;
    if (others.length === 0) printLoads(name, loads, "", null);
    for (const { peer, loads: theirs } of others) printLoads(name, loads, peer.name, theirs);
    const requestCount = loads.reduce((sum, load) => sum + load.requestCount, 0);
    const load = loads.reduce((sum, { cpuMicroseconds }) => sum + cpuMicroseconds, 0);
    for (const [who, microseconds] of Object.entries({ ...spent, load })) {
      print(`processor time a request, ${name}, ${who}`, microseconds / requestCount, "us", "", null);
    }
  }
}

function noTime(): { gateway: number; model: number; Postgres: number } {
  return { gateway: 0, model: 0, Postgres: 0 };
}

function mean(loads: readonly LoadResult[], measure: "perSecond" | "p50Ms" | "p99Ms" | "failures"): number {
  return loads.reduce((sum, load) => sum + load[measure], 0) / loads.length;
}

function printLoads(
  name: string,
  loads: readonly LoadResult[],
  peer: string,
  theirs: readonly LoadResult[] | null,
): void {
  const both = (what: string, measure: Parameters<typeof mean>[1], unit: string): void =>
    print(`${what}, ${name}`, mean(loads, measure), unit, peer, theirs && mean(theirs, measure));
  both("requests per second", "perSecond", "requests/s");
  both("p50", "p50Ms", "ms");
  both("p99", "p99Ms", "ms");
  if (loads.some(({ failures }) => failures > 0)) both("refused", "failures", "requests");
}

function printMemory(whose: string, bytes: number): void {
  print(`resident memory, ${whose}`, bytes / 2 ** 20, "MiB", "", null);
}

function print(measure: string, value: number, unit: string, peer: string, peerValue: number | null): void {
  const round = (number: number) => Number(number.toPrecision(4));
  const known = peerValue === null ? null : round(peerValue);
  const ratio = peerValue === null ? null : round(value / peerValue);
  process.stdout.write(
    `${JSON.stringify({ bench: "gateway", measure, value: round(value), unit, peer, peerValue: known, ratio })}\n`,
  );
}

interface BareLoop {
  readonly perSecond: number;
  readonly p50Ms: number;
}

/** What the gateway takes beyond the least that serves a model: of requests that come one by one, and half as many as it could answer. */
async function measureBesidePlain(gateway: BenchGateway, bare: BareLoop): Promise<void> {
  const plain = await startPlainServer(fileOf("tabular"));
  const shape = { model: "tabular", encoding: "binary", rowCount: 1, seconds: SECONDS } as const;
  const both = async (load: Pick<LoadRequest, "connectionCount" | "perSecond">) => {
    const loads: { readonly own: LoadResult[]; readonly theirs: LoadResult[] } = { own: [], theirs: [] };
    for (let turn = 0; turn < TURNS; turn++) {
      loads.own.push(await runLoad({ ...shape, ...load, url: gateway.url }));
      loads.theirs.push(await runLoad({ ...shape, ...load, url: plain.url }));
    }
    return loads;
  };
  try {
    await runLoad({ ...shape, connectionCount: 32, url: plain.url });
    const single = await both({ connectionCount: 1 });
    printLoads("tabular, binary, 1 connection", single.own, PLAIN, single.theirs);
    const full = await both({ connectionCount: 32 });
    printLoads("tabular, binary, 32 connections", full.own, PLAIN, full.theirs);
    const half = await both({ connectionCount: 32, perSecond: mean(full.own, "perSecond") / 2 });
    print("p50 at half load, tabular, binary", mean(half.own, "p50Ms"), "ms", BARE, bare.p50Ms);
    printLoads("at half load, tabular, binary", half.own, PLAIN, half.theirs);
  } finally {
    await plain.stop();
  }
}

function fileOf(model: BenchModelName): BenchModelFile {
  return files.find(({ name }) => name === model) as BenchModelFile;
}

/** Of the same tensors, and of fresh ones; by model and rows a request. */
type BareBatches = ReadonlyMap<string, readonly [same: BareLoop, fresh: BareLoop]>;

async function measureBareBatches(): Promise<BareBatches> {
  const found = new Map<string, readonly [BareLoop, BareLoop]>();
  for (const model of BATCHED) {
    for (const [rowCount] of BATCHES) {
      const loops = [await measureBareLoop(model, rowCount), await measureBareLoop(model, rowCount, true)] as const;
      found.set(`${model} ${rowCount}`, loops);
    }
  }
  return found;
}

/** @param sampleShare of requests whose rows are logged; all requests are counted */
async function measureBatches(
  { url }: BenchGateway,
  model: BatchedModel,
  bare: BareBatches,
  sampleShare: number,
): Promise<void> {
  for (const [rowCount, connectionCount] of BATCHES) {
    const shape = { model, encoding: "binary", rowCount, connectionCount } as const;
    const { perSecond, failures } = await runLoad({ ...shape, url, seconds: SECONDS });
    const sizes = `${model}, binary, ${rowCount} rows a request, ${connectionCount} connections`;
    const measure = `rows per second, ${sizes}, ${100 * sampleShare} % of requests logged`;
    if (failures > 0) print(`refused, ${sizes}`, failures, "requests", "", null);
    for (const [index, what] of ["", ", each from bytes that came"].entries()) {
      const loop = bare.get(`${model} ${rowCount}`)?.[index];
      if (!loop) continue;
      print(measure, perSecond * rowCount, "rows/s", `${BARE}, as many at once${what}`, loop.perSecond * rowCount);
    }
  }
}

/**
 * @param isFresh each run takes the bytes of another request into memory of its own, which is the least that a server has to do; without it
 *   all runs are of the same tensors
 */
async function measureBareLoop(model: BatchedModel, rowCount: number, isFresh = false): Promise<BareLoop> {
  const { path, digest } = fileOf(model);
  const { signature } = BENCH_MODELS[model];
  const session = await openSession({ model: await readFile(path), digest, intraOpThreads: 1 });
  const same = benchRows(signature, rowCount);
  const next = isFresh ? freshTensors(signature, rowCount) : () => same;
  for (let i = 0; i < 50; i++) await session.run(next());
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < SECONDS * 1000) {
    const before = performance.now();
    await session.run(next());
    times.push(performance.now() - before);
  }
  const elapsed = performance.now() - start;
  await session.close();
  times.sort((a, b) => a - b);
  return { perSecond: times.length / (elapsed / 1000), p50Ms: times[Math.floor(times.length / 2)] ?? Number.NaN };
}

/** Requests that came one after the other; each is read as a server reads it. */
function freshTensors(signature: ModelSignature, rowCount: number): () => readonly Tensor[] {
  const tensors = benchRows(signature, rowCount);
  const request = Buffer.concat(tensors.map(writeBinaryData));
  const arrived = Buffer.concat(Array.from({ length: Math.ceil(FRESH_BYTES / request.length) }, () => request));
  let place = 0;
  return () => {
    if (place + request.length > arrived.length) place = 0;
    const body = Buffer.allocUnsafeSlow(request.length);
    arrived.copy(body, 0, place, (place += request.length));
    let from = 0;
    return tensors.map((tensor) => {
      const bytes = body.subarray(from, (from += writeBinaryData(tensor).length));
      return { ...tensor, data: readBinaryData(tensor.name, tensor.datatype, bytes, tensor.data.length) };
    });
  };
}
