import { performance } from "node:perf_hooks";
import type { Span } from "./span.ts";

export interface OtlpOptions {
  /** Address of a collector's OTLP over HTTP, without `/v1/traces`. */
  readonly endpoint: string;
  /** Sent along, as to be let in. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** 1 s by default. */
  readonly flushMs?: number;
  readonly onProblem: (what: string, problem: unknown) => void;
}

/** Brings spans to a collector, in batches; a request never waits for it. */
export interface OtlpExporter {
  readonly tell: (spans: readonly Span[]) => void;
  /** Sends what waits, once. */
  readonly close: () => Promise<void>;
}

/** Beyond it spans are dropped: traces help people and prove nothing. */
const WAITING_AT_MOST = 4_096;
const BATCH_SPANS = 512;
const TIMEOUT_MS = 5_000;

/** OTLP over HTTP in its JSON form. */
export function createOtlpExporter(options: OtlpOptions): OtlpExporter {
  const url = `${options.endpoint.replace(/\/+$/, "")}/v1/traces`;
  let waiting: Span[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();

  const send = async (spans: readonly Span[]): Promise<void> => {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { ...options.headers, "content-type": "application/json" },
        body: JSON.stringify(writeSpans(spans, options.serviceName)),
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      await response.arrayBuffer();
    } catch (problem) {
      options.onProblem("spans could not be brought to the collector and are dropped", problem);
    }
  };
  const sendAfter = async (before: Promise<void>, spans: readonly Span[]): Promise<void> => {
    await before;
    for (let from = 0; from < spans.length; from += BATCH_SPANS) await send(spans.slice(from, from + BATCH_SPANS));
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const spans = waiting;
    waiting = [];
    sending = sendAfter(sending, spans);
  };
  return {
    tell: (spans) => {
      if (waiting.length + spans.length > WAITING_AT_MOST) return;
      waiting.push(...spans);
      timer ??= setTimeout(flush, options.flushMs ?? 1_000).unref();
    },
    close: async () => {
      flush();
      await sending;
    },
  };
}

/** Codes of the format. */
const KINDS = { internal: 1, server: 2 } as const;
const FAILED = 2;

function writeSpans(spans: readonly Span[], serviceName: string): object {
  const scopeSpans = [{ scope: { name: "modelwright" }, spans: spans.map(writeSpan) }];
  return {
    resourceSpans: [{ resource: { attributes: writeAttributes({ "service.name": serviceName }) }, scopeSpans }],
  };
}

const writeSpan = (span: Span) => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId !== null && { parentSpanId: span.parentSpanId }),
  name: span.name,
  kind: KINDS[span.kind],
  startTimeUnixNano: nanoseconds(span.startedAt),
  endTimeUnixNano: nanoseconds(span.endedAt),
  attributes: writeAttributes(span.attributes),
  ...(span.failure !== null && { status: { code: FAILED, message: span.failure } }),
});

const writeAttributes = (attributes: Span["attributes"]) =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: writeValue(value) }));

function writeValue(value: string | number | boolean): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Nanoseconds since 1970, to the microsecond: more a double does not hold. */
const nanoseconds = (at: number): string => `${Math.round((performance.timeOrigin + at) * 1000)}000`;
