import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IdentityMode } from "../../../contracts/identity.ts";
import type { EndpointRoute, RoutingTable, ServedVersion, VersionReport } from "../../../contracts/inference.ts";
import type { ServingRecord } from "../../../contracts/serving-record.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import type { RouteSource } from "../../../serving/route-source.ts";

export const SIGNATURE = modelSignatureSchema.parse({
  inputs: [
    {
      name: "origin_code",
      datatype: "INT64",
      shape: [-1],
      features: [{ kind: "category", column: "origin", vocabulary: ["ATL", "JFK", "ORD"], unknown: 3, missing: 3 }],
    },
    {
      name: "numbers",
      datatype: "FP32",
      shape: [-1, 2],
      features: [
        { kind: "number", column: "hour", mean: 12, deviation: 6, missing: 12 },
        { kind: "number", column: "distance", mean: 800, deviation: 500 },
      ],
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});

const EMBEDDING = [0.5, -0.25, 1, 0];
const WEIGHTS = [0.75, -0.5];

/** sigmoid(embedding[origin] + weights · numbers + bias), as a real ONNX model; with fewer `origins` it fails on the last. */
export function modelBytes(bias: number, origins = EMBEDDING.length): Uint8Array {
  const graph = buildGraph("served");
  const origin = graph.input("origin_code", "INT64", ["batch"]);
  const numbers = graph.input("numbers", "FP32", ["batch", 2]);
  const embedded = graph.add("Gather", [graph.floats("embedding", [origins, 1], EMBEDDING.slice(0, origins)), origin]);
  const linear = graph.add("Gemm", [numbers, graph.floats("w", [2, 1], WEIGHTS), graph.floats("b", [1], [bias])]);
  graph.add("Sigmoid", [graph.add("Add", [embedded, linear])], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

/** What the model must answer. */
export function expected(bias: number, origin: number, hour: number, distance: number): number {
  const sum = EMBEDDING[origin]! + WEIGHTS[0]! * hour + WEIGHTS[1]! * distance + bias;
  return 1 / (1 + Math.exp(-sum));
}

/** Model files by digest, in a directory of their own. */
export class Models {
  readonly directory = mkdtempSync(join(tmpdir(), "modelwright-serving-"));

  /** A version whose answers tell its bias. */
  add(number: number, bias: number): ServedVersion {
    return this.addBytes(number, modelBytes(bias));
  }

  addBytes(number: number, bytes: Uint8Array): ServedVersion {
    const digest = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(this.path(digest), bytes);
    return { versionId: randomUUID(), number, digest, signature: SIGNATURE };
  }

  /**
   * A version that an optimization chose: its record says what it answered where it was measured, which is its own bias unless another is
   * given.
   */
  addMeasured(number: number, bias: number, record: Partial<ServingRecord> & { readonly goldenBias?: number } = {}) {
    const version = this.add(number, bias);
    const { goldenBias = bias, ...given } = record;
    const base64 = (values: BigInt64Array | Float32Array) => Buffer.from(values.buffer).toString("base64");
    const output = Float32Array.of(expected(goldenBias, 1, 2, 3), expected(goldenBias, 0, -1, 0));
    const golden: ServingRecord["golden"] = {
      inputs: [
        { name: "origin_code", datatype: "INT64", shape: [2], data: base64(BigInt64Array.of(1n, 0n)) },
        { name: "numbers", datatype: "FP32", shape: [2, 2], data: base64(Float32Array.of(2, 3, -1, 0)) },
      ],
      outputs: [{ name: "probability", datatype: "FP32", shape: [2, 1], data: base64(output) }],
      allowed: { minimumSignalToNoiseDb: 60, maximumDifferingShare: 0 },
    };
    const host = { cpuFeatures: "avx2", runtime: "1.0.0", sessionOptions: "{}" };
    const way = { threads: 1, maximumBatchRows: 32, waitMs: 0 };
    const stored = { version: 1, model: version.digest, host, ...way, golden, ...given } satisfies ServingRecord;
    const optimization = this.addJson({ chosen: "dynamic-int8", servingRecord: this.addJson(stored) });
    const measured: ServedVersion = { ...version, optimization };
    return { version: measured, record: stored };
  }

  private addJson(value: object): string {
    const text = JSON.stringify(value);
    const digest = createHash("sha256").update(text).digest("hex");
    writeFileSync(this.path(digest), text);
    return digest;
  }

  path(digest: string): string {
    return join(this.directory, `${digest}.onnx`);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function route(champion: ServedVersion | null, fields: Partial<EndpointRoute> = {}): EndpointRoute {
  return {
    endpoint: "delay",
    epoch: 1,
    champion,
    canary: null,
    canaryBasisPoints: 0,
    salt: "salt",
    leaseUntilMs: null,
    ...fields,
  };
}

/** A database of one table, with a clock of its own that is an hour behind. */
export class MemoryRoutes implements RouteSource {
  readonly confirmed: string[] = [];
  readonly reports: VersionReport[] = [];
  /** True while it does not answer. */
  away = false;
  identity: IdentityMode = "declared";
  private readonly routes = new Map<string, EndpointRoute>();
  private readonly watchers = new Set<() => void>();

  constructor(...routes: readonly EndpointRoute[]) {
    for (const route of routes) this.routes.set(route.endpoint, route);
  }

  nowMs(): number {
    return Date.now() - 3_600_000;
  }

  set(route: EndpointRoute): void {
    this.routes.set(route.endpoint, route);
    for (const watcher of this.watchers) watcher();
  }

  load(): Promise<RoutingTable> {
    if (this.away) return Promise.reject(new Error("away"));
    return Promise.resolve({ databaseNowMs: this.nowMs(), identity: this.identity, routes: [...this.routes.values()] });
  }

  confirm(endpoint: string, epoch: number): Promise<void> {
    if (this.away) return Promise.reject(new Error("away"));
    const confirmation = `${endpoint}/${epoch}`;
    if (!this.confirmed.includes(confirmation)) this.confirmed.push(confirmation);
    return Promise.resolve();
  }

  report(report: VersionReport): Promise<void> {
    if (this.away) return Promise.reject(new Error("away"));
    this.reports.push(report);
    return Promise.resolve();
  }

  watch(onChange: () => void): () => Promise<void> {
    this.watchers.add(onChange);
    return () => {
      this.watchers.delete(onChange);
      return Promise.resolve();
    };
  }
}
