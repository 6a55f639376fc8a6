import { identityModeSchema, type IdentityMode } from "./identity.ts";
import { z } from "zod";
import { BASIS_POINTS, type Arm } from "./names.ts";
import { digestSchema, instantSchema } from "./primitives.ts";
import { datatypeSchema, modelSignatureSchema } from "./signature.ts";

/** Headers of the gateway's own; lower case as node:http gives them. */
export const INFERENCE_HEADERS = {
  routingKey: "modelwright-routing-key",
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

/** The newest routing epoch of one endpoint. */
export const endpointRouteSchema = z.strictObject({
  endpoint: z.string().min(1),
  epoch: z.int().min(0),
  /** Null before the first version is promoted: then nobody serves once the canary's lease ends. */
  champion: servedVersionSchema.nullable(),
  canary: servedVersionSchema.nullable(),
  canaryBasisPoints: z.int().min(0).max(BASIS_POINTS),
  salt: z.string(),
  /** Database time, milliseconds since 1970, until which the canary's share is valid; null: it is not. */
  leaseUntilMs: z.number().nullable(),
  /** What tokens are scoped to; absent in snapshots of release 0.1.0. */
  place: z.strictObject({ model: z.string(), environment: z.string() }).optional(),
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

/** One row of a request in the prediction log. */
export interface PredictionRecord {
  /**
   * Id of the request, and `/i` after it for row i where the request had several. The id names what the client got: where the
   * champion took over, the canary's error stands under the id and `/canary`.
   */
  readonly inferenceId: string;
  readonly endpoint: string;
  readonly epoch: number;
  /**
   * True when the epoch's shares decided the arm. False when the client named the version, the champion took over from the
   * canary, or the canary's lease was over or its process not up: such a row is no evidence, because a canary that could not
   * be chosen cannot have done better.
   */
  readonly assigned: boolean;
  readonly arm: Arm;
  readonly versionId: string;
  /** SHA-256 of the epoch's salt and the key; the key itself is not kept. */
  readonly routingKeyHash: string | null;
  /** Database time as the gateway measured it. */
  readonly at: Date;
  /**
   * Of the whole request: from its last byte read to the answer. Where the champion took over from its canary, the
   * champion's own part.
   */
  readonly latencyMs: number;
  /** `error` is the model's or the gateway's; requests that break the protocol are not logged. */
  readonly outcome: "ok" | "error";
  readonly score: number | null;
  readonly decision: 0 | 1 | null;
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
