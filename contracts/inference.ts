import { identityModeSchema, type IdentityMode } from "./identity.ts";
import { z } from "zod";
import { logSettingsSchema } from "./log-settings.ts";
import { BASIS_POINTS, type Arm } from "./names.ts";
import { digestSchema, instantSchema } from "./primitives.ts";
import type { ShadowCounts } from "./rollout.ts";
import { datatypeSchema, modelSignatureSchema } from "./signature.ts";

/** Headers of the gateway's own; lower case as node:http gives them. */
export const INFERENCE_HEADERS = {
  routingKey: "modelwright-routing-key",
  /** Milliseconds the client wants to wait at most. */
  timeoutMs: "modelwright-timeout-ms",
  epoch: "modelwright-epoch",
  arm: "modelwright-arm",
  inferenceId: "modelwright-inference-id",
  /** Length of the JSON part of a body of the binary tensor extension. */
  headerLength: "inference-header-content-length",
} as const;

/** A model version as a gateway needs it. */
export const servedVersionSchema = z.strictObject({
  versionId: z.string().min(1),
  /** Number of the version within its model; what clients see as `model_version`. */
  number: z.int().min(1),
  /** Digest of the ONNX file. */
  digest: digestSchema,
  signature: modelSignatureSchema,
  /** Digest of the report of the optimization that chose it; absent where none did. */
  optimization: digestSchema.optional(),
});
export type ServedVersion = z.output<typeof servedVersionSchema>;

/** What looks of an epoch's rollout count by; fixed when the rollout opened. */
export const countingSchema = z.strictObject({
  /** A request that takes longer is slow; null where no guardrail asks. */
  slowAboveMs: z.number().min(0).nullable(),
  /** Where the ranges of the prediction part, rising; null where no guardrail asks. */
  edges: z.array(z.number()).nullable(),
});
export type Counting = z.output<typeof countingSchema>;

/** The newest routing epoch of one endpoint. */
export const endpointRouteSchema = z.strictObject({
  endpoint: z.string().min(1),
  epoch: z.int().min(0),
  /** Null before the first version is promoted: then nobody serves once the canary's lease ends. */
  champion: servedVersionSchema.nullable(),
  canary: servedVersionSchema.nullable(),
  canaryBasisPoints: z.int().min(0).max(BASIS_POINTS),
  /** Share of the champion's requests that the canary answers too, for nobody; absent when none. */
  shadowBasisPoints: z.int().min(1).max(BASIS_POINTS).optional(),
  salt: z.string(),
  /** Database time, milliseconds since 1970, until which the canary's share is valid; null: it is not. */
  leaseUntilMs: z.number().nullable(),
  /** What tokens are scoped to; absent in snapshots of release 0.1.0. */
  place: z.strictObject({ model: z.string(), environment: z.string() }).optional(),
  /** Absent outside rollouts. */
  counting: countingSchema.optional(),
  /** Absent where nothing was said: every row, without its columns. */
  log: logSettingsSchema.optional(),
});
export type EndpointRoute = z.output<typeof endpointRouteSchema>;

/** All endpoints as of one moment of the database's clock. */
export interface RoutingTable {
  readonly databaseNowMs: number;
  /** Whether callers must show a token; they need not where nothing is said. */
  readonly identity?: IdentityMode;
  readonly routes: readonly EndpointRoute[];
}

/** What a gateway keeps on disk to start without Postgres. */
export const routingSnapshotSchema = z.strictObject({
  version: z.literal(1),
  identity: identityModeSchema.optional(),
  routes: z.array(endpointRouteSchema),
});
export type RoutingSnapshot = z.output<typeof routingSnapshotSchema>;

/** On a control worker's disk: where the gateways answer that it last heard of. */
export const gatewayAddressesSchema = z.object({ version: z.literal(1), addresses: z.array(z.url()) });

/** What a gateway keeps on disk of canaries that were withdrawn at it: of each endpoint the newest such epoch. */
export const withdrawnEpochsSchema = z.strictObject({
  version: z.literal(1),
  epochs: z.record(z.string(), z.int().min(0)),
});

/** How a request ended; a shed one was refused because too many waited. */
export const REQUEST_OUTCOMES = ["ok", "error", "shed"] as const;

/** One request that a version answered or failed: what is counted of it, and what is kept. */
export interface RequestRecord {
  /**
   * The id names what the client got: where the champion took over, the canary's error stands under the id and `/canary`.
   */
  readonly id: string;
  readonly endpoint: string;
  readonly epoch: number;
  /**
   * True when the epoch's shares decided the arm. False when the client named the version, the champion took over from the
   * canary, or the canary's lease was over or its process not up: such a request is no evidence, because a canary that could not
   * be chosen cannot have done better.
   */
  readonly assigned: boolean;
  readonly arm: Arm;
  readonly versionId: string;
  /** SHA-256 of the epoch's salt and the key; the key itself is not kept. */
  readonly routingKeyHash: string | null;
  /** Database time as the gateway measured it, milliseconds since 1970. */
  readonly atMs: number;
  /**
   * Of the whole request: from its last byte read to the answer. Where the champion took over from its canary, the
   * champion's own part.
   */
  readonly latencyMs: number;
  /** The model's or the gateway's; requests that break the protocol are not recorded. */
  readonly outcome: (typeof REQUEST_OUTCOMES)[number];
  readonly rowCount: number;
  /** One a row; empty unless `ok`. */
  readonly scores: readonly number[];
  /** One a row: 0 or 1, by the threshold of the version's signature. */
  readonly decisions: readonly (0 | 1)[];
  /** What a look asks of it; null outside rollouts. Range is that of the first row, 0 the lowest; null unless ranges are asked for. */
  readonly judged: { readonly slow: boolean; readonly range: number | null; readonly ranges: number } | null;
  /** What the endpoint's settings let through of its columns, one a row; null where they keep none. */
  readonly fields: readonly LoggedFields[] | null;
  /** Whether its rows go to the prediction log; it is counted in any case. */
  readonly sampled: boolean;
}

/** One row of a request in the prediction log. */
export interface PredictionRecord extends Pick<
  RequestRecord,
  "endpoint" | "epoch" | "assigned" | "arm" | "versionId" | "routingKeyHash" | "latencyMs"
> {
  /** Id of the request, and `/i` after it for row i where the request had several. */
  readonly inferenceId: string;
  readonly requestRow: number;
  readonly at: Date;
  readonly outcome: "ok" | "error";
  readonly score: number | null;
  readonly decision: 0 | 1 | null;
  readonly fields: LoggedFields | null;
}

/** Columns of one row, as far as they are kept; a hash is text, a bucket the number of its range. */
export type LoggedFields = Readonly<Record<string, number | string | null>>;

/** Upper bounds of latency histograms, milliseconds: from the smallest tabular model to the request timeout. */
export const LATENCY_BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const;

/** Requests of one gateway that are alike, within one minute; they add up. */
export interface DecisionCount extends Pick<RequestRecord, "endpoint" | "epoch" | "assigned" | "arm" | "versionId"> {
  /** True where looks count the routing keys (`CountedUnit`) and not these requests. */
  readonly byUnit: boolean;
  /** Start of the minute, milliseconds since 1970. */
  readonly minuteMs: number;
  readonly requests: number;
  /** Sheds among them. */
  readonly errors: number;
  readonly sheds: number;
  readonly slow: number;
  /** Requests by latency: up to each of `LATENCY_BOUNDS_MS`, and above all. */
  readonly latencies: readonly number[];
  /** Answers by range of their first row's prediction; empty where no guardrail asks. */
  readonly ranges: readonly number[];
}

/** A routing key's first request in an epoch of a rollout, as far as one gateway saw. */
export interface CountedUnit extends Pick<RequestRecord, "endpoint" | "epoch" | "arm" | "atMs"> {
  /** Hash of the routing key. */
  readonly unit: string;
  /** Of its first row. */
  readonly inferenceId: string;
  readonly outcome: "ok" | "error";
  readonly slow: boolean;
  readonly range: number | null;
  readonly decision: 0 | 1 | null;
}

/**
 * A stretch of one gateway's journal on its way to Postgres. A stretch counts once: the database remembers where the last one ended.
 */
export interface LogBatch {
  readonly spool: string;
  /** Who answered the requests; null where the spool, of an older release, does not say. */
  readonly gateway: string | null;
  readonly fromByte: number;
  readonly toByte: number;
  readonly counts: readonly DecisionCount[];
  readonly units: readonly CountedUnit[];
  readonly rows: readonly PredictionRecord[];
  /** Rows that were left out for want of room. */
  readonly droppedRows: number;
  /** Rows the gateway ever accepted; null where a successor cannot know. */
  readonly acceptedRows: number | null;
}

/** What a gateway saw of a version it serves in an epoch with two versions. */
export interface VersionReport {
  readonly endpoint: string;
  readonly epoch: number;
  readonly versionId: string;
  /** Times its process ended by itself in the last ten minutes. */
  readonly exits: number;
  /** How long it has not been ready after it once was; 0 while it is. */
  readonly unreadyMs: number;
  /** Answers whose tensors were not those of its signature. */
  readonly schemaMismatches: number;
  /** Of a candidate in its shadow phase. */
  readonly shadow: ShadowCounts | null;
}

/** Labels that arrive after the prediction, joined by inference id. */
export const feedbackRequestSchema = z.strictObject({
  feedback: z
    .array(
      z.strictObject({
        inference_id: z.string().regex(/^[\x20-\x7e]{1,200}$/, "1 to 200 printable ASCII characters"),
        /** The outcome: 0 or 1. */
        label: z.union([
          z.literal(0),
          z.literal(1),
          z.boolean().transform((value) => (value ? (1 as const) : (0 as const))),
        ]),
        /** When the outcome became known; the time of arrival by default. */
        at: instantSchema.optional(),
      }),
    )
    .min(1)
    .max(10_000),
});
export type FeedbackRequest = z.output<typeof feedbackRequestSchema>;

/** Triton's repository index; an empty body asks for all. */
export const repositoryIndexRequestSchema = z.object({ ready: z.boolean().optional() });

/** Triton's load and unload; an empty body asks for all versions. */
export const repositoryModelRequestSchema = z.object({
  parameters: z.object({ version: z.string().optional() }).optional(),
});

/** The epoch whose canary was taken back at the gateway that says so. */
export const withdrawnSchema = z.object({ endpoint: z.string(), epoch: z.int().min(0) });
export type Withdrawn = z.output<typeof withdrawnSchema>;

/** An error of the protocol: words for people. */
const errorSchema = z.object({ error: z.string() });

const tensorMetadataSchema = z.object({ name: z.string(), datatype: datatypeSchema, shape: z.array(z.int().min(-1)) });

const parametersSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const inferTensorSchema = z.object({
  name: z.string().min(1),
  datatype: datatypeSchema,
  shape: z.array(z.int().min(0)).min(1).max(32),
  parameters: parametersSchema.optional(),
  /** Row-major, flat or nested as the shape says; absent where the bytes follow in binary. */
  data: z.array(z.unknown()).optional(),
});

const durationSchema = z.object({ count: z.int().min(0), ns: z.int().min(0) });

/**
 * Bodies of the gateway's HTTP interface, for its OpenAPI document. They describe: an infer request is read by
 * `serving/protocol`, which keeps 64-bit integers whole and says more than a schema could.
 */
const BODIES = {
  Error: errorSchema,
  ServerLive: z.object({ live: z.boolean() }),
  ServerReady: z.object({ ready: z.boolean(), live: z.boolean() }),
  ServerMetadata: z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
  ModelReady: z.object({ name: z.string(), ready: z.boolean() }),
  ModelMetadata: z.object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorMetadataSchema),
    outputs: z.array(tensorMetadataSchema),
    /** `columns`: what a request of raw columns names. */
    parameters: z.object({ columns: z.array(z.string()) }),
  }),
  InferRequest: z.object({
    id: z
      .string()
      .max(180)
      .regex(/^[\x20-\x7e]*$/, "printable ASCII")
      .optional(),
    /** `routing_key`, `content_type` (tensors, columns), `binary_data_output`. */
    parameters: parametersSchema.optional(),
    inputs: z.array(inferTensorSchema).min(1),
    outputs: z.array(z.object({ name: z.string().min(1), parameters: parametersSchema.optional() })).optional(),
  }),
  InferResponse: z.object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string(),
    outputs: z.array(inferTensorSchema),
  }),
  ModelStatistics: z.object({
    model_stats: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        last_inference: z.int().min(0),
        inference_count: z.int().min(0),
        execution_count: z.int().min(0),
        inference_stats: z.object({ success: durationSchema, fail: durationSchema }),
      }),
    ),
  }),
  RepositoryIndexRequest: repositoryIndexRequestSchema,
  RepositoryIndex: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      state: z.enum(["READY", "LOADING", "UNAVAILABLE"]),
      reason: z.string(),
    }),
  ),
  RepositoryModelRequest: repositoryModelRequestSchema,
  RepositoryModelAnswer: z.object({}),
  Withdrawn: withdrawnSchema,
  FeedbackRequest: feedbackRequestSchema,
  /** How many labels came, and what became of them. */
  FeedbackOutcome: z.record(z.string(), z.int().min(0)),
};
export type BodyName = keyof typeof BODIES;

/** The bodies as JSON Schema by name, as they travel. */
export function describeBodies(): Readonly<Record<BodyName, object>> {
  const described = Object.entries(BODIES).map(([name, schema]) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
    return [name, rest] as const;
  });
  return Object.fromEntries(described) as Record<BodyName, object>;
}
