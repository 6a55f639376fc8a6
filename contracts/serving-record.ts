import { z } from "zod";
import { digestSchema, shareSchema } from "./primitives.ts";
import { datatypeSchema } from "./signature.ts";

/** What decides how a model computes beside its bytes. Evidence holds for hosts of the class it was measured on. */
export const hostClassSchema = z.object({
  /** Instructions that decide how integers are multiplied. */
  cpuFeatures: z.string(),
  /** Version of ONNX Runtime. */
  runtime: z.string(),
  sessionOptions: z.string(),
});
export type HostClass = z.output<typeof hostClassSchema>;

/** A tensor as it lies in a file: little-endian bytes in base64, texts as they are. */
export const storedTensorSchema = z.object({
  name: z.string(),
  datatype: datatypeSchema,
  shape: z.array(z.int().min(0)),
  data: z.union([z.base64(), z.array(z.string())]),
});
export type StoredTensor = z.output<typeof storedTensorSchema>;

/** How near outputs elsewhere must be to those that were measured. */
export const parityAllowanceSchema = z.object({
  /** Of each output of floats, 20 log10(|x| / |x - y|). */
  minimumSignalToNoiseDb: z.number(),
  /** Of the elements of each other output. */
  maximumDifferingShare: shareSchema,
});
export type ParityAllowance = z.output<typeof parityAllowanceSchema>;

/** Name of the record's file in the output directory of an optimization. */
export const SERVING_RECORD = "serving.json";

/**
 * What a gateway needs of the measurement that a version was chosen by: how it was served best, and what it answered. Kept as a file
 * beside the optimization's report. Unknown fields are ignored: gateways of the release before read it too.
 */
export const servingRecordSchema = z.object({
  version: z.literal(1),
  /** Of the model file. */
  model: digestSchema,
  host: hostClassSchema,
  /** Threads of one run. */
  threads: z.int().min(1),
  maximumBatchRows: z.int().min(1),
  /** How long a request may wait for company. */
  waitMs: z.number().min(0),
  golden: z.object({
    inputs: z.array(storedTensorSchema),
    outputs: z.array(storedTensorSchema),
    allowed: parityAllowanceSchema,
  }),
});
export type ServingRecord = z.output<typeof servingRecordSchema>;
