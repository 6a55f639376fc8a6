import { DuckDBInstance } from "@duckdb/node-api";
import { parseArgs } from "node:util";

/**
 * Replays real flights as live requests against an endpoint, one flight a request, and sends the true outcome back a moment
 * later, as landings would:
 *
 *   node --import tsx replay.ts --gateway http://127.0.0.1:8080 --endpoint flight-delay --from 2001-05-01 --rate 200
 *
 * Runs until it is told to stop (SIGTERM, or the end of its standard input) or the flights end, then prints what it counted as one JSON line.
 */
const { values: options } = parseArgs({
  options: {
    gateway: { type: "string" },
    endpoint: { type: "string", default: "flight-delay" },
    data: {
      type: "string",
      default: new URL("../../node_modules/vega-datasets/data/flights-3m.parquet", import.meta.url).pathname,
    },
    from: { type: "string", default: "2001-05-01" },
    to: { type: "string", default: "2001-06-01" },
    /** Requests a second. */
    rate: { type: "string", default: "200" },
    /** Between an answer and its label. */
    "label-delay-ms": { type: "string", default: "1000" },
  },
});

interface Flight {
  readonly hour: number;
  readonly weekday: string;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
  readonly late: boolean;
}

const counted = {
  requests: 0,
  errors: 0,
  labels: 0,
  lastErrorAt: null as string | null,
  lastInferenceId: null as string | null,
};
const labels: { inference_id: string; label: number; due: number }[] = [];
const startedAt = Date.now();
let stopping = false;
const stop = () => {
  stopping = true;
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.stdin.on("end", stop).resume();

async function* flights(): AsyncGenerator<Flight> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const prepared = await connection.prepare(
    // Shuffled by a hash, so that seconds of replay hold the whole month and not its first minutes.
    `SELECT hour(date)::INTEGER AS hour, dayname(date) AS weekday, distance::INTEGER AS distance, origin, destination, delay > 15 AS late
     FROM read_parquet($1) WHERE date >= $2::TIMESTAMP AND date < $3::TIMESTAMP ORDER BY hash(date, origin, destination, distance)`,
  );
  prepared.bindVarchar(1, options.data);
  prepared.bindVarchar(2, options.from);
  prepared.bindVarchar(3, options.to);
  const result = await prepared.stream();
  for await (const rows of result.yieldRowObjectJs()) yield* rows as unknown as Flight[];
}

async function send(flight: Flight, number: number): Promise<void> {
  const column = (name: string, datatype: string, value: string | number) => ({
    name,
    datatype,
    shape: [1],
    data: [value],
  });
  try {
    const response = await fetch(`${options.gateway}/v2/models/${options.endpoint}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        parameters: { content_type: "columns", routing_key: `traveller-${number}` },
        inputs: [
          column("hour", "INT64", flight.hour),
          column("weekday", "BYTES", flight.weekday),
          column("distance", "FP64", flight.distance),
          column("origin", "BYTES", flight.origin),
          column("destination", "BYTES", flight.destination),
        ],
      }),
    });
    const answer = (await response.json()) as { id?: string; error?: string };
    if (!response.ok) throw new Error(answer.error ?? response.statusText);
    const inferenceId = response.headers.get("modelwright-inference-id") ?? answer.id ?? "";
    counted.lastInferenceId = inferenceId;
    labels.push({
      inference_id: inferenceId,
      label: flight.late ? 1 : 0,
      due: Date.now() + Number(options["label-delay-ms"]),
    });
  } catch {
    counted.errors += 1;
    counted.lastErrorAt = new Date().toISOString();
  } finally {
    counted.requests += 1;
  }
}

async function sendLabels(all: boolean): Promise<void> {
  const now = Date.now();
  const due = labels.filter((label) => all || label.due <= now);
  if (due.length === 0) return;
  labels.splice(0, labels.length, ...labels.filter((label) => !due.includes(label)));
  const feedback = due.map(({ inference_id, label }) => ({ inference_id, label }));
  const response = await fetch(`${options.gateway}/v2/feedback`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ feedback }),
  }).catch(() => null);
  if (response?.ok) counted.labels += due.length;
}

const rate = Number(options.rate);
const underway = new Set<Promise<void>>();
let number = 0;
let labelsAt = Date.now();
for await (const flight of flights()) {
  if (stopping) break;
  const due = startedAt + (number / rate) * 1000;
  if (due > Date.now()) await new Promise((resolve) => setTimeout(resolve, due - Date.now()));
  // A slow gateway slows the replay down instead of piling requests up.
  if (underway.size >= 64) await Promise.race(underway);
  const one = send(flight, number).finally(() => underway.delete(one));
  underway.add(one);
  number += 1;
  if (Date.now() - labelsAt >= 250) {
    labelsAt = Date.now();
    await sendLabels(false);
  }
}
await Promise.all(underway);
await sendLabels(true);
process.stdout.write(`${JSON.stringify({ ...counted, seconds: (Date.now() - startedAt) / 1000 })}\n`);
