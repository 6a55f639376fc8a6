/** One piece of work in a trace, whole: spans here are told when they are over. */
export interface Span {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  /** The gateway's part of a client's call, or a part of that. */
  readonly kind: "server" | "internal";
  /** Readings of `performance.now()`. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** The code of what went wrong, and never its words: they may quote the request. Null when nothing did. */
  readonly failure: string | null;
}

/** What a client's `traceparent` says. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/**
 * Reads a W3C `traceparent`. A later version is read as far as this one goes, as the standard asks.
 *
 * @returns null for what is none: the trace then begins here
 */
export function parseTraceParent(header: string | null): TraceParent | null {
  const [, version, traceId, spanId, flags, rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header?.trim() ?? "") ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
