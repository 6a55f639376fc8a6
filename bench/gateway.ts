import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Tensor } from "../contracts/data.ts";
import { readBinaryData, writeBinaryData } from "../serving/protocol/binary-data.ts";
import { openSession } from "../adapters/inference/session.ts";
import { runLoad, startBenchGateway, writeModels, type BenchGateway, type BenchModelFile } from "./gateway/children.ts";
import { cpuBetween, readCpuTimes } from "./gateway/cpu-time.ts";
import { startBenchDatabase } from "./gateway/database.ts";
import { startMlServer } from "./gateway/mlserver.ts";
import type { LoadRequest, LoadResult } from "./gateway-load.ts";
import { BENCH_MODELS, benchRows } from "./gateway-model.ts";

/**
 * `npm run bench -- gateway`: the gateway over keep-alive connections, beside MLServer from PyPI with the same ONNX files and the same
 * load, and beside a bare loop over ONNX Runtime. Gateway, its models, the load and Postgres, where the gateway ships its log meanwhile, have
 * a process each. One JSON line a measure.
 */
const SECONDS = 2;
/** Rows a request, and connections: together no more rows than may wait for a model. */
const BATCHES = [
  [64, 32],
  [512, 8],
  [4_096, 2],
] as const;
const BARE = "bare ONNX Runtime loop, one thread";
/** Requests one after the other that are more than the processor keeps at hand. */
const FRESH_BYTES = 64 * 2 ** 20;

type Case = Omit<LoadRequest, "url" | "seconds">;
const CASES: readonly Case[] = [
  ...(["json", "binary"] as const).flatMap((encoding) =>
    [1, 32, 300].map((connectionCount) => ({ model: "tabular", rowCount: 1, encoding, connectionCount }) as const),
  ),
  ...[1, 32].map((connectionCount) => ({ model: "image", rowCount: 1, encoding: "json", connectionCount }) as const),
  ...[1, 32, 300].map(
    (connectionCount) => ({ model: "image", rowCount: 1, encoding: "binary", connectionCount }) as const,
  ),
];

const directory = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const files = await writeModels(directory);
const database = await startBenchDatabase(join(directory, "database"));
try {
  const bare = await measureBareLoop(1);
  const bareBatches = await measureBareBatches();
  const peers = await measureMlServer();
  const gateway = await startBenchGateway(directory, database.url);
  try {
    await gateway.serve(files, 1, 1);
    await warmUp(gateway.url);
    for (const each of CASES) await measureCase(gateway, each, peers);
    await measureHalfLoad(gateway, bare);
    for (const sampleShare of [0.01, 1]) {
      await gateway.serve(files, sampleShare === 1 ? 3 : 2, 1, sampleShare);
      await measureBatches(gateway, bareBatches, sampleShare);
    }
    const megabytes = (await gateway.memoryBytes()) / 2 ** 20;
    print(
      "resident memory of the gateway's process after all of it",
      megabytes,
      "MiB",
      "MLServer",
      peers?.megabytes ?? null,
    );
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

interface Peers {
  readonly results: ReadonlyMap<string, LoadResult>;
  readonly megabytes: number;
}

function nameOf({ model, encoding, connectionCount }: Case): string {
  return `${model}, ${encoding}, ${connectionCount} connection${connectionCount === 1 ? "" : "s"}`;
}

/** What binary requests are compared with too: MLServer has no binary tensors over HTTP. */
function peerCase(each: Case): string {
  return nameOf({ ...each, encoding: "json", connectionCount: peerConnections(each) });
}

/** Three hundred images in JSON at once are a gigabyte. */
function peerConnections({ model, connectionCount }: Case): number {
  return model === "image" ? Math.min(connectionCount, 32) : connectionCount;
}

async function measureCase(gateway: BenchGateway, each: Case, peers: Peers | null): Promise<void> {
  const before = await readCpuTimes();
  const load = await runLoad({ ...each, url: gateway.url, seconds: SECONDS });
  const after = await readCpuTimes();
  printCase(each, load, peers);
  const models = cpuBetween(before, after, gateway.pid, (command) => command.includes("model-process-child"));
  const spent = {
    gateway: cpuBetween(before, after, gateway.pid) - models,
    model: models,
    load: load.cpuMicroseconds,
    Postgres: cpuBetween(before, after, database.pid),
  };
  for (const [who, microseconds] of Object.entries(spent)) {
    print(`processor time a request, ${nameOf(each)}, ${who}`, microseconds / load.requestCount, "us", "", null);
  }
}

function printCase(each: Case, load: LoadResult, peers: Peers | null): void {
  const peer = peers?.results.get(peerCase(each)) ?? null;
  const peerName = `MLServer, JSON, ${peerConnections(each)} connections`;
  print(`requests per second, ${nameOf(each)}`, load.perSecond, "requests/s", peerName, peer?.perSecond ?? null);
  print(`p50, ${nameOf(each)}`, load.p50Ms, "ms", peerName, peer?.p50Ms ?? null);
  print(`p99, ${nameOf(each)}`, load.p99Ms, "ms", peerName, peer?.p99Ms ?? null);
  if (load.failures > 0) print(`refused, ${nameOf(each)}`, load.failures, "requests", peerName, peer?.failures ?? null);
}

function print(measure: string, value: number, unit: string, peer: string, peerValue: number | null): void {
  const round = (number: number) => Number(number.toPrecision(4));
  const known = peerValue === null ? null : round(peerValue);
  const ratio = peerValue === null ? null : round(value / peerValue);
  process.stdout.write(
    `${JSON.stringify({ bench: "gateway", measure, value: round(value), unit, peer, peerValue: known, ratio })}\n`,
  );
}

/** Null, and said, where Python or its packages cannot be had. */
async function measureMlServer(): Promise<Peers | null> {
  const models = new Map(files.map(({ name, path }) => [name, path]));
  const server = await startMlServer(directory, models).catch((problem: unknown) => {
    process.stderr.write(`without MLServer: ${problem instanceof Error ? problem.message : String(problem)}\n`);
    return null;
  });
  if (!server) return null;
  try {
    await warmUp(server.url);
    const results = new Map<string, LoadResult>();
    for (const each of CASES.filter(({ encoding }) => encoding === "json")) {
      results.set(nameOf(each), await runLoad({ ...each, url: server.url, seconds: SECONDS }));
    }
    return { results, megabytes: (await server.memoryBytes()) / 2 ** 20 };
  } finally {
    await server.stop();
  }
}

interface BareLoop {
  readonly perSecond: number;
  readonly p50Ms: number;
}

/** Latency where requests come one by one, half as many as could be answered. */
async function measureHalfLoad({ url }: BenchGateway, bare: BareLoop): Promise<void> {
  const shape = { model: "tabular", encoding: "binary", rowCount: 1, connectionCount: 32 } as const;
  const load = { ...shape, url, seconds: SECONDS };
  const { perSecond } = await runLoad(load);
  const half = await runLoad({ ...load, perSecond: perSecond / 2 });
  print("p50 at half load, tabular, binary", half.p50Ms, "ms", BARE, bare.p50Ms);
  print("p99 at half load, tabular, binary", half.p99Ms, "ms", "", null);
}

/** Of the same tensors, and of fresh ones; by rows a request. */
type BareBatches = ReadonlyMap<number, readonly [same: BareLoop, fresh: BareLoop]>;

async function measureBareBatches(): Promise<BareBatches> {
  const found = new Map<number, readonly [BareLoop, BareLoop]>();
  for (const [rowCount] of BATCHES) {
    found.set(rowCount, [await measureBareLoop(rowCount), await measureBareLoop(rowCount, true)]);
  }
  return found;
}

/** @param sampleShare of requests whose rows are logged; all requests are counted */
async function measureBatches({ url }: BenchGateway, bare: BareBatches, sampleShare: number): Promise<void> {
  for (const [rowCount, connectionCount] of BATCHES) {
    const shape = { model: "tabular", encoding: "binary", rowCount, connectionCount } as const;
    const { perSecond } = await runLoad({ ...shape, url, seconds: SECONDS });
    const sizes = `${rowCount} rows a request, ${connectionCount} connections`;
    const measure = `rows per second, tabular, binary, ${sizes}, ${100 * sampleShare} % of requests logged`;
    for (const [index, what] of ["", ", each from bytes that came"].entries()) {
      const loop = bare.get(rowCount)?.[index];
      if (!loop) continue;
      print(measure, perSecond * rowCount, "rows/s", `${BARE}, as many at once${what}`, loop.perSecond * rowCount);
    }
  }
}

/**
 * @param isFresh each run takes the bytes of another request into memory of its own, which is the least that a server has to do; without it
 *   all runs are of the same tensors
 */
async function measureBareLoop(rowCount: number, isFresh = false): Promise<BareLoop> {
  const { path, digest } = files.find(({ name }) => name === "tabular") as BenchModelFile;
  const session = await openSession({ model: await readFile(path), digest, intraOpThreads: 1 });
  const same = benchRows(BENCH_MODELS.tabular.signature, rowCount);
  const next = isFresh ? freshTensors(rowCount) : () => same;
  for (let i = 0; i < 500; i++) await session.run(next());
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
function freshTensors(rowCount: number): () => readonly Tensor[] {
  const tensors = benchRows(BENCH_MODELS.tabular.signature, rowCount);
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
