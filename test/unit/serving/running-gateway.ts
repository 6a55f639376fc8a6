import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { DecisionCount, FeedbackRequest, PredictionRecord } from "../../../contracts/inference.ts";
import { startGateway, type Gateway, type GatewayOptions } from "../../../serving/gateway.ts";
import { shipHere } from "../../../serving/log/shipping.ts";
import type { MemoryRoutes, Models } from "./served-model.ts";

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly url: string;
  /** What reached the prediction log. */
  readonly rows: PredictionRecord[];
  /** What it counted, in the order in which it told. */
  readonly counts: DecisionCount[];
  readonly labels: FeedbackRequest["feedback"];
  readonly lines: string[];
  readonly infer: (body: object, headers?: Record<string, string>) => Promise<InferAnswer>;
}

export interface InferAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: {
    readonly id: string;
    readonly model_name: string;
    readonly model_version: string;
    readonly error: string;
    readonly outputs: readonly { readonly name: string; readonly shape: number[]; readonly data: number[] }[];
  };
}

export async function runGateway(
  models: Models,
  source: MemoryRoutes,
  options: Partial<GatewayOptions> = {},
): Promise<RunningGateway> {
  const rows: PredictionRecord[] = [];
  const counts: DecisionCount[] = [];
  const labels: FeedbackRequest["feedback"] = [];
  const lines: string[] = [];
  const gateway = await startGateway({
    id: "gateway of a test",
    source,
    localPath: (digest) => Promise.resolve(models.path(digest)),
    startShipping: shipHere({
      ship: (batch) => {
        rows.push(...batch.rows);
        counts.push(...batch.counts);
        return Promise.resolve(batch.toByte);
      },
    }),
    logDirectory: join(models.directory, "log"),
    recordFeedback: (batch) => {
      labels.push(...batch);
      return Promise.resolve({ received: batch.length });
    },
    findToken: () => Promise.resolve(null),
    snapshotPath: join(models.directory, "routes.json"),
    pollMs: 50,
    graceMs: 100,
    retryMs: 100,
    drainMs: 50,
    onLine: (line) => lines.push(line),
    ...options,
  });
  const infer: RunningGateway["infer"] = async (body, headers = {}) => {
    const response = await fetch(`${gateway.url}/v2/models/delay/infer`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
  };
  return { gateway, url: gateway.url, rows, counts, labels, lines, infer };
}

/** Tensors of rows of (origin code, hour, distance), already encoded. */
export function tensors(...rows: readonly (readonly [number, number, number])[]): { readonly inputs: object[] } {
  return {
    inputs: [
      { name: "origin_code", datatype: "INT64", shape: [rows.length], data: rows.map(([origin]) => origin) },
      {
        name: "numbers",
        datatype: "FP32",
        shape: [rows.length, 2],
        data: rows.map(([, hour, distance]) => [hour, distance]),
      },
    ],
  };
}

/** Waits until something holds; fails with what it was waiting for. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Processes that this one started, the models' among them. */
export const childProcesses = (): number[] =>
  execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([pid, parent, name]) => (Number(parent) === process.pid && name !== "ps" ? [Number(pid)] : []));
