import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
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
  const peers = await measureMlServer();
  const gateway = await startBenchGateway(directory, database.url);
  try {
    await gateway.serve(files, 1, 1);
    await warmUp(gateway.url);
    for (const each of CASES) await measureCase(gateway, each, peers);
    const bareName = "bare ONNX Runtime loop, one thread";
    const full = {
      model: "tabular",
      encoding: "binary",
      connectionCount: 32,
      url: gateway.url,
      seconds: SECONDS,
    } as const;
    for (const [rowCount, connectionCount] of BATCHES) {
      const { perSecond } = await measureBareLoop(rowCount);
      const many = await runLoad({ ...full, rowCount, connectionCount });
      const measure = `rows per second, tabular, binary, ${rowCount} rows a request, ${connectionCount} connections`;
      print(measure, many.perSecond * rowCount, "rows/s", `${bareName}, as many at once`, perSecond * rowCount);
    }
    const peak = await runLoad({ ...full, rowCount: 1 });
    const half = await runLoad({ ...full, rowCount: 1, connectionCount: 8, perSecond: peak.perSecond / 2 });
    print("p50 at half load, tabular, binary", half.p50Ms, "ms", bareName, bare.p50Ms);
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

async function measureBareLoop(rowCount: number): Promise<{ perSecond: number; p50Ms: number }> {
  const { path, digest } = files.find(({ name }) => name === "tabular") as BenchModelFile;
  const session = await openSession({ model: await readFile(path), digest, intraOpThreads: 1 });
  const tensors = benchRows(BENCH_MODELS.tabular.signature, rowCount);
  for (let i = 0; i < 500; i++) await session.run(tensors);
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < SECONDS * 1000) {
    const before = performance.now();
    await session.run(tensors);
    times.push(performance.now() - before);
  }
  const elapsed = performance.now() - start;
  await session.close();
  times.sort((a, b) => a - b);
  return { perSecond: times.length / (elapsed / 1000), p50Ms: times[Math.floor(times.length / 2)] ?? Number.NaN };
}
