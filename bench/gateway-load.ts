import { once } from "node:events";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { startThread } from "../adapters/compute/fork-program.ts";
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
  const start = performance.now() + WARM_UP_MS;
  const end = start + seconds * 1000;
  const times: number[] = [];
  let failures = 0;
  let requestCount = 0;
  const cpuBefore = process.cpuUsage();
  const turns = perSecond === undefined ? null : takeTurns();
  const record = (before: number, after: number, ok: boolean): void => {
    requestCount++;
    if (!ok) failures++;
    else if (before >= start && after <= end) times.push(after - before);
  };
  const connections = Array.from({ length: connectionCount }, () =>
    runConnection(new URL(url), bytes, end, turns, record),
  );
  if (turns && perSecond !== undefined) await pace(perSecond, WARM_UP_MS / 1000 + seconds, turns);
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

/** Who asks next, where requests are due at their time and not when the one before was answered. */
interface Turns {
  /** A connection that has nothing to do. Told when its next request was due, or that there are no more. */
  readonly wait: (ask: (dueAt: number | null) => void) => void;
  /** A request is due; where every connection is busy, the first that is not asks it and has been waiting since. */
  readonly due: (at: number) => void;
  readonly end: () => void;
}

function takeTurns(): Turns {
  const idle: ((dueAt: number | null) => void)[] = [];
  const late: number[] = [];
  let isOver = false;
  return {
    wait: (ask) => {
      const since = late.shift();
      if (since !== undefined) ask(since);
      else if (isOver) ask(null);
      else idle.push(ask);
    },
    due: (at) => {
      const ask = idle.shift();
      if (ask) ask(at);
      else late.push(at);
    },
    end: () => {
      isOver = true;
      for (const ask of idle.splice(0)) ask(null);
    },
  };
}

async function pace(perSecond: number, seconds: number, turns: Turns): Promise<void> {
  const thread = startThread(new URL("./gateway/pacer.ts", import.meta.url), { workerData: { perSecond, seconds } });
  thread.on("message", () => turns.due(performance.now()));
  await once(thread, "exit");
  turns.end();
}

async function runConnection(
  url: URL,
  bytes: Buffer,
  end: number,
  turns: Turns | null,
  record: (before: number, after: number, ok: boolean) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let sentAt = 0;
    let received = Buffer.alloc(0);
    const socket = connect(Number(url.port), url.hostname);
    socket.setNoDelay(true);
    const ask = (dueAt: number | null): void => {
      if (dueAt === null || performance.now() >= end) {
        socket.end();
        resolve();
        return;
      }
      sentAt = dueAt;
      socket.write(bytes);
    };
    const next = (): void => {
      if (turns) turns.wait(ask);
      else ask(performance.now());
    };
    socket.on("connect", next);
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
