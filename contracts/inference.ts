import { z } from "zod";
import { BASIS_POINTS } from "./names.ts";
import { digestSchema, instantSchema } from "./primitives.ts";
import { modelSignatureSchema } from "./signature.ts";

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
});
export type ServedVersion = z.output<typeof servedVersionSchema>;

/** The newest routing epoch of one endpoint. */
export const endpointRouteSchema = z.strictObject({
  endpoint: z.string().min(1),
  epoch: z.int().min(0),
  champion: servedVersionSchema,
  canary: servedVersionSchema.nullable(),
  canaryBasisPoints: z.int().min(0).max(BASIS_POINTS),
  salt: z.string(),
  /** Database time, milliseconds since 1970, until which the canary's share is valid; null: it is not. */
  leaseUntilMs: z.number().nullable(),
});
export type EndpointRoute = z.output<typeof endpointRouteSchema>;

/** All endpoints as of one moment of the database's clock. */
export interface RoutingTable {
  readonly databaseNowMs: number;
  readonly routes: readonly EndpointRoute[];
}

/** What a gateway keeps on disk to start without Postgres. */
export const routingSnapshotSchema = z.strictObject({ version: z.literal(1), routes: z.array(endpointRouteSchema) });
export type RoutingSnapshot = z.output<typeof routingSnapshotSchema>;

/** Labels that arrive after the prediction, joined by inference id. */
export const feedbackRequestSchema = z.strictObject({
  feedback: z
    .array(
      z.strictObject({
        inference_id: z.string().min(1).max(256),
        /** The outcome: 0 or 1. */
        label: z.union([z.literal(0), z.literal(1), z.boolean().transform((value) => (value ? (1 as const) : (0 as const)))]),
        /** When the outcome became known; the time of arrival by default. */
        at: instantSchema.optional(),
      }),
    )
    .min(1)
    .max(10_000),
});
export type FeedbackRequest = z.output<typeof feedbackRequestSchema>;
