import type { RequestRun } from "../../adapters/inference/model-process.ts";
import type { Arm } from "../../contracts/names.ts";

/** A run of a version's process that a request was part of. */
export interface TracedRun extends RequestRun {
  readonly version: string;
  readonly arm: Arm;
}

export interface TracedEnd {
  readonly attributes: Readonly<Record<string, string | number>>;
  /** The code of what went wrong, and never its words: they may quote the request. Null when nothing did. */
  readonly failure: string | null;
}

/** One infer request, from its last byte read to the answer. */
export interface RequestTrace {
  readonly ran: (run: TracedRun) => void;
  readonly end: (end: TracedEnd) => void;
}

/** A header of W3C's trace context, `traceparent` or `tracestate`, as the client sent it; null without one. */
export type TraceHeader = (name: string) => string | null;

export interface Tracer {
  /** Null where the request is not sampled. */
  readonly begin: (endpoint: string, header: TraceHeader) => RequestTrace | null;
  /** Sends what waits, as long as that takes no more than two seconds. */
  readonly close: () => Promise<void>;
}

/** Whether OpenTelemetry's variables name a collector. The SDK reads them itself, and is loaded only where they do. */
export const isTracingAsked = (env: NodeJS.ProcessEnv): boolean =>
  Boolean(env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) &&
  env["OTEL_SDK_DISABLED"]?.toLowerCase() !== "true";
