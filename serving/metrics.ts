import { LATENCY_BOUNDS_MS } from "../contracts/inference.ts";

/** Prometheus counts in seconds. */
const LATENCY_BOUNDS = LATENCY_BOUNDS_MS.map((bound) => bound / 1000);
const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

type Labels = Readonly<Record<string, string>>;

/** The gateway's counters, in the text format Prometheus reads. */
export interface GatewayMetrics {
  readonly countRequest: (labels: { endpoint: string; arm: string; outcome: string }, latencyMs: number) => void;
  readonly countBatch: (version: string, rowCount: number) => void;
  readonly countExit: (version: string) => void;
  readonly countTakeover: (endpoint: string) => void;
  /** @param gauges values read at the moment of asking: name, help, and a value a label set */
  readonly write: (gauges: readonly Gauge[]) => string;
}

export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly values: readonly { readonly labels: Labels; readonly value: number }[];
}

interface Histogram {
  readonly labels: Labels;
  readonly counts: number[];
  sum: number;
  count: number;
}

export function createMetrics(): GatewayMetrics {
  const requests = new Map<string, { readonly labels: Labels; value: number }>();
  const latencies = new Map<string, Histogram>();
  const batches = new Map<string, Histogram>();
  const exits = new Map<string, { readonly labels: Labels; value: number }>();
  const takeovers = new Map<string, { readonly labels: Labels; value: number }>();
  return {
    countRequest: (labels, latencyMs) => {
      count(requests, `${labels.endpoint} ${labels.arm} ${labels.outcome}`, labels);
      const { endpoint, arm } = labels;
      record(latencies, `${endpoint} ${arm}`, { endpoint, arm }, LATENCY_BOUNDS, latencyMs / 1000);
    },
    countBatch: (version, rowCount) => record(batches, version, { version }, BATCH_BOUNDS, rowCount),
    countExit: (version) => count(exits, version, { version }),
    countTakeover: (endpoint) => count(takeovers, endpoint, { endpoint }),
    write: (gauges) =>
      [
        ...writeFamily("modelwright_requests_total", "Infer requests by outcome.", "counter", [...requests.values()]),
        ...writeHistogram(
          "modelwright_request_seconds",
          "From the last byte read to the answer.",
          LATENCY_BOUNDS,
          latencies,
        ),
        ...writeHistogram("modelwright_batch_rows", "Rows that ran together.", BATCH_BOUNDS, batches),
        ...writeFamily("modelwright_process_exits_total", "Unexpected ends of model processes.", "counter", [
          ...exits.values(),
        ]),
        ...writeFamily(
          "modelwright_takeovers_total",
          "Requests the champion answered because the canary failed; both arms count them.",
          "counter",
          [...takeovers.values()],
        ),
        ...gauges.flatMap(({ name, help, type, values }) => writeFamily(name, help, type, values)),
        "",
      ].join("\n"),
  };
}

function count(family: Map<string, { readonly labels: Labels; value: number }>, key: string, labels: Labels): void {
  const found = family.get(key);
  if (found) found.value++;
  else family.set(key, { labels, value: 1 });
}

function record(
  family: Map<string, Histogram>,
  key: string,
  labels: Labels,
  bounds: readonly number[],
  value: number,
): void {
  let histogram = family.get(key);
  if (!histogram) {
    histogram = { labels, counts: bounds.map(() => 0), sum: 0, count: 0 };
    family.set(key, histogram);
  }
  const bucket = bounds.findIndex((bound) => value <= bound);
  if (bucket !== -1) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  histogram.sum += value;
  histogram.count++;
}

function writeFamily(name: string, help: string, type: string, values: Gauge["values"]): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...values.map(({ labels, value }) => `${name}${set(labels)} ${value}`),
  ];
}

function writeHistogram(
  name: string,
  help: string,
  bounds: readonly number[],
  family: ReadonlyMap<string, Histogram>,
): string[] {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const { labels, counts, sum, count } of family.values()) {
    let below = 0;
    bounds.forEach((bound, index) => {
      below += counts[index] ?? 0;
      lines.push(`${name}_bucket${set({ ...labels, le: String(bound) })} ${below}`);
    });
    lines.push(
      `${name}_bucket${set({ ...labels, le: "+Inf" })} ${count}`,
      `${name}_sum${set(labels)} ${sum}`,
      `${name}_count${set(labels)} ${count}`,
    );
  }
  return lines;
}

function set(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escape = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
