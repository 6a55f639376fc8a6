import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { startThread } from "../adapters/compute/fork-program.ts";
import { writeBinaryData } from "../serving/protocol/binary-data.ts";
import type { PacerData } from "./gateway/pacer.ts";
import { BENCH_MODELS, benchRows, type BenchModelName } from "./gateway-model.ts";

/** What the load's process is asked, and what it answers. */
export interface LoadRequest {
  readonly url: string;
  readonly model: BenchModelName;
  readonly rowCount: number;
  readonly encoding: "json" | "binary";
  readonly connectionCount: number;
  readonly seconds: number;
  /** Requests a second over all connections, evenly, whether or not others were answered; without it each connection asks again when it was. */
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
  const start = monotonicMs() + WARM_UP_MS;
  const end = start + seconds * 1000;
  const times: number[] = [];
  let failures = 0;
  let requestCount = 0;
  const cpuBefore = process.cpuUsage();
  const record: RecordAnswer = (askedAt, isOk) => {
    const now = monotonicMs();
    requestCount++;
    if (!isOk) failures++;
    else if (askedAt >= start && now <= end) times.push(now - askedAt);
  };
  const connections = Array.from({ length: connectionCount }, () => connectTo(url));
  await Promise.all(connections.map((socket) => once(socket, "connect")));
  if (perSecond === undefined) {
    await Promise.all(connections.map((socket) => askAgain(socket, bytes, end, record)));
  } else {
    await askEvenly(
      connections,
      bytes,
      { perSecond, count: Math.floor(perSecond * (WARM_UP_MS / 1000 + seconds)) },
      record,
    );
  }
  for (const socket of connections) socket.end();
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

/** Of a clock that all threads have. */
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** An answer came: when it was asked for, or should have been. */
type RecordAnswer = (askedAt: number, isOk: boolean) => void;

function connectTo(url: string): Socket {
  const { port, hostname } = new URL(url);
  return connect({ port: Number(port), host: hostname, noDelay: true });
}

/** Each answer is followed by the next request. */
function askAgain(socket: Socket, bytes: Buffer, end: number, record: RecordAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    let askedAt = 0;
    const ask = (): void => {
      askedAt = monotonicMs();
      if (askedAt < end) socket.write(bytes);
      else resolve();
    };
    onAnswers(socket, reject, (isOk) => {
      record(askedAt, isOk);
      ask();
    });
    ask();
  });
}

/** Requests are due at their time, whether or not those before were answered; a thread asks them, and here the answers are heard. */
function askEvenly(
  connections: readonly Socket[],
  bytes: Buffer,
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
  record: RecordAnswer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const dueAt = new BigInt64Array(new SharedArrayBuffer(8 * connections.length));
    const answered = new Int32Array(new SharedArrayBuffer(4));
    for (const [index, socket] of connections.entries()) {
      onAnswers(socket, reject, (isOk) => {
        record(Number(Atomics.exchange(dueAt, index, 0n)) / 1e6, isOk);
        if (Atomics.add(answered, 0, 1) + 1 >= count) resolve();
        Atomics.notify(answered, 0);
      });
    }
    const descriptors = connections.map(descriptorOf);
    const workerData: PacerData = { perSecond, count, bytes, descriptors, dueAt, answered };
    startThread(new URL("./gateway/pacer.ts", import.meta.url), { workerData }).on("error", reject);
  });
}

/** What a thread without an event loop writes to. Node gives it in no other way. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

function onAnswers(socket: Socket, onError: (problem: Error) => void, onAnswer: (isOk: boolean) => void): void {
  let received: Buffer = Buffer.alloc(0);
  socket.on("error", onError);
  socket.on("data", (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const headerEnd = received.indexOf("\r\n\r\n");
    if (headerEnd === -1) return;
    const head = received.toString("latin1", 0, headerEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (received.length < headerEnd + 4 + length) return;
    received = Buffer.alloc(0);
    onAnswer(head.startsWith("HTTP/1.1 200"));
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
