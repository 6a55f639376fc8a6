import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { isTracingAsked } from "../../../../serving/trace/tracer.ts";
import { createGrpcClient } from "../grpc-client.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "../running-gateway.ts";
import { MemoryRoutes, modelBytes, Models, route } from "../served-model.ts";

interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}
interface Collected {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: CollectedSpan["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly CollectedSpan[] }[];
  }[];
}

/** A collector of OTLP over HTTP on the loopback interface. */
class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly requests: { readonly path: string; readonly headers: NodeJS.Dict<string | string[]>; body: Collected }[] =
    [];
  private server: Server | undefined;

  async start(): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Collected;
        this.requests.push({ path: request.url ?? "", headers: request.headers, body });
        for (const { scopeSpans } of body.resourceSpans) this.spans.push(...scopeSpans.flatMap(({ spans }) => spans));
        response.end("{}");
      });
    });
    this.server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  stop(): Promise<unknown> {
    return new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve(undefined)));
  }
}

let models: Models;
let collector: Collector;
let running: RunningGateway;
beforeAll(() => {
  models = new Models();
});
afterAll(() => {
  models.remove();
});
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const row = tensors([0, 0, 0]);
const attributesOf = (span: CollectedSpan | undefined) =>
  Object.fromEntries(span?.attributes.map(({ key, value }) => [key, Object.values(value)[0]]) ?? []);

describe("a traced request", () => {
  beforeEach(async () => {
    collector = new Collector();
    const endpoint = await collector.start();
    vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `${endpoint}/`);
    vi.stubEnv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame");
    vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "500");
    vi.stubEnv("OTEL_SERVICE_NAME", "gateway-1");
    vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "10");
    running = await runGateway(models, new MemoryRoutes(route(models.addBytes(1, modelBytes(0, 3)))), {
      traced: true,
      process: { batchWaitMs: 150, maximumBatchRows: 2 },
    });
  });
  afterEach(async () => {
    await running.gateway.stop();
    await collector.stop();
    vi.unstubAllEnvs();
  });

  test("is a span under its client's, with its wait and its batch below it", async () => {
    await running.infer({ ...row, id: "call-1" }, { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "a=1" });
    await eventually("its spans", () => collector.spans.length === 3);
    const [request, wait, run] = ["infer delay", "wait", "run"].map((name) =>
      collector.spans.find((span) => span.name === name),
    );
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, traceState: "a=1", kind: 2 });
    for (const part of [wait, run])
      expect(part).toMatchObject({ traceId: TRACE, parentSpanId: request?.spanId, kind: 1 });
    expect(request?.status).toEqual({ code: 0 });
    expect(attributesOf(request)).toEqual({
      "modelwright.endpoint": "delay",
      "modelwright.inference_id": "call-1",
      "modelwright.epoch": 1,
      "modelwright.arm": "champion",
    });
    expect(attributesOf(run)).toEqual({
      "modelwright.version": "1",
      "modelwright.arm": "champion",
      "modelwright.batch.rows": 1,
      "modelwright.batch.requests": 1,
    });
    const times = [request?.startTimeUnixNano, wait?.startTimeUnixNano, run?.startTimeUnixNano, run?.endTimeUnixNano];
    const order = [...times, request?.endTimeUnixNano].map((time) => BigInt(time ?? 0));
    expect(order).toEqual([...order].sort((left, right) => (left < right ? -1 : 1)));
    expect(wait?.endTimeUnixNano).toBe(run?.startTimeUnixNano);
    const [sent] = collector.requests;
    expect([sent?.path, sent?.headers["x-key"]]).toEqual(["/v1/traces", "open sesame"]);
    expect(sent?.body.resourceSpans[0]?.resource.attributes).toEqual([
      { key: "service.name", value: { stringValue: "gateway-1" } },
    ]);
  });

  test("begins a trace of its own without a client's, and is none where the client wants none", async () => {
    await running.infer(row, { traceparent: `00-${TRACE}-${PARENT}-00` });
    await running.infer(row, { traceparent: "nonsense" });
    await eventually("the spans of one", () => collector.spans.length >= 3);
    await running.gateway.stop();
    const roots = collector.spans.filter(({ name }) => name === "infer delay");
    expect(roots).toHaveLength(1);
    expect(roots[0]).not.toHaveProperty("parentSpanId");
    expect(roots[0]?.traceId).not.toBe(TRACE);
  });

  test("is linked to the requests that ran in its batch", async () => {
    await Promise.all([running.infer({ ...row, id: "a" }), running.infer({ ...row, id: "b" })]);
    await eventually("their spans", () => collector.spans.length === 6);
    const runs = collector.spans.filter(({ name }) => name === "run");
    for (const run of runs) expect(attributesOf(run)).toMatchObject({ "modelwright.batch.requests": 2 });
    const [first] = runs.filter(({ links }) => links.length === 0);
    const [other] = runs.filter(({ links }) => links.length > 0);
    expect(other?.links).toMatchObject([{ traceId: first?.traceId, spanId: first?.spanId }]);
    expect(other?.traceId).not.toBe(first?.traceId);
  });

  test("over gRPC is traced the same way", async () => {
    const client = createGrpcClient(running.gateway.grpcAddress);
    const inputs = [
      { name: "origin_code", datatype: "INT64", shape: ["1"], contents: { int64_contents: ["0"] } },
      { name: "numbers", datatype: "FP32", shape: ["1", "2"], contents: { fp32_contents: [0, 0] } },
    ];
    const metadata = { traceparent: `00-${TRACE}-${PARENT}-01` };
    expect((await client.call("ModelInfer", { model_name: "delay", inputs }, metadata)).code).toBe(0);
    client.close();
    await eventually("its spans", () => collector.spans.length === 3);
    expect(collector.spans.find(({ name }) => name === "infer delay")).toMatchObject({ parentSpanId: PARENT });
  });

  test("that fails says how, and quotes nothing of the request", async () => {
    // The model's table is a row short: ONNX Runtime fails on the last category.
    expect((await running.infer({ ...tensors([3, 0, 0]), id: "secret" })).status).toBe(500);
    await eventually("its spans", () => collector.spans.length >= 3);
    const request = collector.spans.find(({ name }) => name === "infer delay");
    expect(request?.status).toEqual({ code: 2, message: "INFERENCE_FAILED" });
  });

  test("costs nothing where the collector is away, which is told", async () => {
    await collector.stop();
    const answers = await Promise.all(Array.from({ length: 5 }, () => running.infer(row)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    await eventually("the line", () => running.lines.some((line) => line.startsWith("spans could not be brought")));
  });
});

test.each([
  [{}, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "" }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/v1/traces" }, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_SDK_DISABLED: "true" }, false],
])("OpenTelemetry's variables %j say whether anything is traced", (env, asked) => {
  expect(isTracingAsked(env)).toBe(asked);
});
