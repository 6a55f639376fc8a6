import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { RequestRun } from "../../adapters/inference/model-process.ts";
import type { Arm } from "../../contracts/names.ts";
import { parseTraceParent, type Span } from "./span.ts";

/** A run of a version's process that a request was part of. */
export interface TracedRun extends RequestRun {
  readonly version: string;
  readonly arm: Arm;
}

export interface TracedEnd {
  readonly endpoint: string;
  readonly attributes: Span["attributes"];
  readonly failure: string | null;
}

/** One infer request, from its last byte read to the answer. */
export interface RequestTrace {
  readonly ran: (run: TracedRun) => void;
  readonly end: (end: TracedEnd) => void;
}

export interface Tracer {
  /** Null where the client asks for no trace. */
  readonly begin: (traceparent: string | null) => RequestTrace | null;
}

/** Tells each request as a span, with a span for each time it waited for a version and for each batch it ran in. */
export function createTracer(tell: (spans: readonly Span[]) => void): Tracer {
  return {
    begin: (traceparent) => {
      const parent = parseTraceParent(traceparent);
      if (parent && !parent.sampled) return null;
      const traceId = parent?.traceId ?? randomBytes(16).toString("hex");
      const spanId = randomBytes(8).toString("hex");
      const startedAt = performance.now();
      const parts: Span[] = [];
      const part = (name: string, from: number, to: number, attributes: Span["attributes"]): void => {
        const id = randomBytes(8).toString("hex");
        const place = { traceId, spanId: id, parentSpanId: spanId, name, kind: "internal" } as const;
        parts.push({ ...place, startedAt: from, endedAt: to, attributes, failure: null });
      };
      return {
        ran: ({ queuedAt, startedAt: ranFrom, endedAt, rowCount, requestCount, version, arm }) => {
          const who = { "modelwright.version": version, "modelwright.arm": arm };
          part("wait", queuedAt, ranFrom, who);
          const batch = { "modelwright.batch.rows": rowCount, "modelwright.batch.requests": requestCount };
          part("run", ranFrom, endedAt, { ...who, ...batch });
        },
        end: ({ endpoint, attributes, failure }) =>
          tell([
            {
              traceId,
              spanId,
              parentSpanId: parent?.spanId ?? null,
              name: `infer ${endpoint}`,
              kind: "server",
              startedAt,
              endedAt: performance.now(),
              attributes: { "modelwright.endpoint": endpoint, ...attributes },
              failure,
            },
            ...parts,
          ]),
      };
    },
  };
}
