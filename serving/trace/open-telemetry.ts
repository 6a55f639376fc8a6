import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span, type SpanContext } from "@opentelemetry/api";
import { hrTime, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { BatchRun } from "../../adapters/inference/model-process.ts";
import type { TraceHeader, Tracer } from "./tracer.ts";

const CLOSE_WITHIN_MS = 2_000;

/**
 * Tells each request as a span, with a span for each time it waited for a version and for each run it was part of, to the collector
 * that OpenTelemetry's variables name. The runs of one batch are linked to the first of them that is traced. Spans are dropped, never
 * waited for: traces help people and prove nothing.
 */
export function startTracing(onProblem: (what: string, problem: unknown) => void): Tracer {
  const named = resourceFromAttributes({ "service.name": "modelwright-gateway" });
  const provider = new BasicTracerProvider({
    resource: named.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(telling(new OTLPTraceExporter(), onProblem))],
  });
  const tracer = provider.getTracer("modelwright");
  const propagator = new W3CTraceContextPropagator();
  const firstRuns = new WeakMap<BatchRun, SpanContext>();

  return {
    begin: (endpoint, header) => {
      const startTime = hrTime(performance.now());
      const parent = propagator.extract(ROOT_CONTEXT, header, HEADERS);
      const request = tracer.startSpan(`infer ${endpoint}`, { kind: SpanKind.SERVER, startTime }, parent);
      if (!request.isRecording()) return null;
      request.setAttribute("modelwright.endpoint", endpoint);
      const under = trace.setSpan(ROOT_CONTEXT, request);
      return {
        ran: ({ queuedAt, batch, version, arm }) => {
          const who = { "modelwright.version": version, "modelwright.arm": arm };
          const wait = tracer.startSpan("wait", { startTime: hrTime(queuedAt), attributes: who }, under);
          wait.end(hrTime(batch.startedAt));
          const size = { "modelwright.batch.rows": batch.rowCount, "modelwright.batch.requests": batch.requestCount };
          const first = firstRuns.get(batch);
          const run = tracer.startSpan(
            "run",
            {
              startTime: hrTime(batch.startedAt),
              attributes: { ...who, ...size },
              links: first ? [{ context: first }] : [],
            },
            under,
          );
          run.end(hrTime(batch.endedAt));
          if (!first) firstRuns.set(batch, run.spanContext());
        },
        end: ({ attributes, failure }) => {
          request.setAttributes(attributes);
          if (failure !== null) request.setStatus({ code: SpanStatusCode.ERROR, message: failure });
          endNow(request);
        },
      };
    },
    close: async () => {
      // What could not be sent was told when it could not.
      const sent = provider.shutdown().catch(() => undefined);
      await Promise.race([sent, sleep(CLOSE_WITHIN_MS, undefined, { ref: false })]);
    },
  };
}

/** Readings of one clock: the SDK's own way to read it differs by up to a millisecond from span to span. */
const endNow = (span: Span): void => span.end(hrTime(performance.now()));

const HEADERS = {
  get: (header: TraceHeader, name: string): string | undefined => header(name) ?? undefined,
  keys: (): string[] => [],
};

/** The exporter, which says what it drops. */
const telling = (exporter: SpanExporter, onProblem: (what: string, problem: unknown) => void): SpanExporter => ({
  export: (spans, done) =>
    exporter.export(spans, (result) => {
      if (result.error) onProblem("spans could not be brought to the collector and are dropped", result.error);
      done(result);
    }),
  shutdown: () => exporter.shutdown(),
});
