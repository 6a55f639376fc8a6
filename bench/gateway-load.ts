import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { writeBinaryData } from "../serving/protocol/binary-data.ts";
import { BENCH_MODELS, benchRows, type BenchModelName } from "./gateway-model.ts";

/** What the load's process is asked, and what it answers. */
export interface LoadRequest {
  readonly url: string;
  readonly model: BenchModelName;
  readonly rowCount: number;
  readonly encoding: "json" | "binary";
  readonly connectionCount: number;
  readonly seconds: number;
  /** Requests a second over all connections; without it each connection asks again when it was answered. */
  readonly perSecond?: number;
}
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  /** Requests altogether, those of the warm-up too. */
  readonly requestCount: number;
  /** Processor time that asking them took. */
  readonly cpuMicroseconds: number;
}

const WARM_UP_MS = 1_000;

process.on("disconnect", () => process.exit(0));
process.once("message", (request: LoadRequest) => {
  void run(request).then((result) => process.send?.(result));
});

/** Sockets and ready-made bytes, so that the load costs little. */
async function run(request: LoadRequest): Promise<LoadResult> {
  const { url, connectionCount, seconds, perSecond } = request;
  const bytes = requestBytes(request);
  const start = performance.now() + WARM_UP_MS;
  const end = start + seconds * 1000;
  const times: number[] = [];
  let failures = 0;
  let requestCount = 0;
  const cpuBefore = process.cpuUsage();
  const record = (before: number, after: number, ok: boolean): void => {
    requestCount++;
    if (!ok) failures++;
    else if (before >= start && after <= end) times.push(after - before);
  };
  const pauseMs = perSecond === undefined ? null : (1000 * connectionCount) / perSecond;
  const connections = Array.from({ length: connectionCount }, async (_, index) => {
    // Spread over the pause, or all would ask at once.
    if (pauseMs !== null) await sleep((pauseMs * index) / connectionCount);
    await runConnection(new URL(url), bytes, end, pauseMs, record);
  });
  await Promise.all(connections);
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuMicroseconds = user + system;
  return {
    perSecond: times.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failures,
    requestCount,
    cpuMicroseconds,
  };
}

async function runConnection(
  url: URL,
  bytes: Buffer,
  end: number,
  pauseMs: number | null,
  record: (before: number, after: number, ok: boolean) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let sentAt = 0;
    let dueAt = performance.now();
    let received = Buffer.alloc(0);
    const socket = connect(Number(url.port), url.hostname);
    socket.setNoDelay(true);
    const ask = (): void => {
      if (performance.now() >= end) {
        socket.end();
        resolve();
        return;
      }
      sentAt = performance.now();
      socket.write(bytes);
    };
    const next = (): void => {
      if (pauseMs === null) {
        ask();
        return;
      }
      dueAt = Math.max(dueAt + pauseMs, performance.now());
      setTimeout(ask, dueAt - performance.now());
    };
    socket.on("connect", ask);
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      received = received.length === 0 ? Buffer.from(chunk) : Buffer.concat([received, Buffer.from(chunk)]);
      const headerEnd = received.indexOf("\r\n\r\n");
      if (headerEnd === -1) return;
      const head = received.toString("latin1", 0, headerEnd);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (received.length < headerEnd + 4 + length) return;
      received = Buffer.alloc(0);
      record(sentAt, performance.now(), head.startsWith("HTTP/1.1 200"));
      next();
    });
  });
}

function requestBytes({ model, rowCount, encoding }: LoadRequest): Buffer {
  const tensors = benchRows(BENCH_MODELS[model].signature, rowCount);
  const parts = encoding === "binary" ? tensors.map(writeBinaryData) : [];
  const inputs = tensors.map(({ name, datatype, shape, data }, index) => ({
    name,
    datatype,
    shape,
    ...(encoding === "binary"
      ? { parameters: { binary_data_size: parts[index]?.length } }
      : { data: Array.from(data, Number) }),
  }));
  const parameters = encoding === "binary" ? { parameters: { binary_data_output: true } } : {};
  const json = Buffer.from(JSON.stringify({ inputs, ...parameters }));
  const body = Buffer.concat([json, ...parts]);
  const binaryHeader = encoding === "binary" ? `Inference-Header-Content-Length: ${json.length}\r\n` : "";
  const head =
    `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n${binaryHeader}\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
