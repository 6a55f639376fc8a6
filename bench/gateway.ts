import { fork, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { openSession } from "../adapters/inference/session.ts";
import type { LoadRequest, LoadResult } from "./gateway-load.ts";
import { BENCH_SIGNATURE, benchModel, benchRow } from "./gateway-model.ts";

/**
 * `npm run bench -- gateway`: requests per second and latency of the gateway over keep-alive connections, one row a request,
 * beside a bare loop over ONNX Runtime with the same model and row in the same run. Gateway, its model process and the load
 * have a process each. One JSON line a measure.
 */
const PEER = "bare ONNX Runtime loop, batch 1, one thread";
const SECONDS = 3;

const directory = await mkdtemp(join(tmpdir(), "modelwright-bench-"));
const model = benchModel();
const digest = createHash("sha256").update(model).digest("hex");
const path = join(directory, "model.onnx");
await writeFile(path, model);

const bare = await measureBareLoop();
const server = startChild("./gateway-server.ts", [path, digest, directory]);
try {
  const [url] = (await once(server, "message")) as [string];
  for (const encoding of ["json", "binary"] as const) {
    for (const connectionCount of [1, 32]) {
      const load = await runLoad({ url, encoding, connectionCount, seconds: SECONDS });
      const measure = (what: string) =>
        `${what}, ${encoding}, ${connectionCount} connection${connectionCount === 1 ? "" : "s"}`;
      if (load.failures > 0) throw new Error(`${load.failures} requests failed at ${measure("load")}`);
      print(measure("requests per second"), load.perSecond, "requests/s", bare.perSecond);
      print(measure("p50"), load.p50Ms, "ms", bare.p50Ms);
      print(measure("p99"), load.p99Ms, "ms", bare.p99Ms);
    }
  }
} finally {
  const ended = once(server, "exit");
  server.disconnect();
  await ended;
  await rm(directory, { recursive: true, force: true });
}

function print(measure: string, value: number, unit: string, peerValue: number): void {
  const round = (number: number) => Number(number.toPrecision(4));
  const line = {
    bench: "gateway",
    measure,
    value: round(value),
    unit,
    peer: PEER,
    peerValue: round(peerValue),
    ratio: round(value / peerValue),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function measureBareLoop(): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const session = await openSession({ model, digest, intraOpThreads: 1 });
  const tensors = benchRow(BENCH_SIGNATURE);
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
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { perSecond: times.length / (elapsed / 1000), p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function runLoad(request: LoadRequest): Promise<LoadResult> {
  const child = startChild("./gateway-load.ts", []);
  child.send(request);
  const [result] = (await once(child, "message")) as [LoadResult];
  child.disconnect();
  return result;
}

function startChild(file: string, args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ["--import", "tsx"] });
}
