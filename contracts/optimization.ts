import { z } from "zod";
import { QUANTIZATION_PASSES } from "./names.ts";
import { digestSchema, shareSchema } from "./primitives.ts";

/** How the ranges of activations are learned, by the passes that need them. */
export const calibrationSettingsSchema = z.strictObject({
  /** The smallest and largest value seen, the range that holds the given percentage of values, or that of least entropy. */
  method: z.enum(["min-max", "percentile", "entropy"]).default("min-max"),
  /** Percentage of values inside the range, half of the rest on each side; of `percentile` only. */
  percentile: z.number().gt(50).max(100).default(99.999),
  /** Rows drawn at random from the evaluation data. */
  rows: z.int().min(1).max(100_000).default(1000),
  seed: z.int().min(0).default(1),
});
export type CalibrationSettings = z.output<typeof calibrationSettingsSchema>;

/** How the passes quantize, in the words of `onnxruntime.quantization`; each pass reads those it declares. */
export const quantizationOptionsSchema = z.strictObject({
  /** One scale a channel (a column, a filter, a gate's row) instead of one a tensor. */
  perChannel: z.boolean().default(true),
  /** Weights within 7 bits: for processors without VNNI, where 8 bits overflow. */
  reduceRange: z.boolean().default(false),
  /** Integers of the activations of static-int8; its weights are QInt8. */
  activationType: z.enum(["QUInt8", "QInt8"]).default("QUInt8"),
  /** Weights of a column that share a scale, of weight-only-int4. */
  blockSize: z.literal([16, 32, 64, 128, 256]).default(32),
  /** A zero point in the middle instead of one a block, of weight-only-int4. */
  isSymmetric: z.boolean().default(true),
  /** 4 lets weight-only-int4 compute in int8, 0 in fp32. */
  accuracyLevel: z.literal([0, 4]).default(4),
  /** Names of nodes left in float; `*` stands for any characters. A node without a name is called `Gemm#3`, by its place. */
  nodesToExclude: z.array(z.string().min(1)).default([]),
});
export type QuantizationOptions = z.output<typeof quantizationOptionsSchema>;

export const optimizationSettingsSchema = z.strictObject({
  /** Candidates beside fp32, which always is one. */
  passes: z.array(z.enum(QUANTIZATION_PASSES)).default(["dynamic-int8"]),
  objective: z.enum(["size", "latency"]).default("latency"),
  /** Largest share of rows whose decision may differ from fp32. */
  maximumDisagreementShare: shareSchema.default(0.01),
  /** Rows of the evaluation data used to measure agreement. */
  sampleRows: z.int().min(100).default(5000),
  calibration: calibrationSettingsSchema.prefault({}),
  ...quantizationOptionsSchema.shape,
});
/** The options of the passes among the settings. */
export const quantizationOptions = (settings: OptimizationSettings): QuantizationOptions =>
  quantizationOptionsSchema.strip().parse(settings);
export type OptimizationSettings = z.output<typeof optimizationSettingsSchema>;

export const latencySchema = z.strictObject({
  batch: z.int(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  repeatCount: z.int(),
});
export type Latency = z.output<typeof latencySchema>;

export const agreementSchema = z.strictObject({
  rowCount: z.int(),
  maximumDifference: z.number(),
  meanDifference: z.number(),
  /** 20 log10(|x| / |x - y|); null when the outputs are equal. */
  signalToNoiseDb: z.number().nullable(),
  sameDecisionShare: z.number(),
});
export type Agreement = z.output<typeof agreementSchema>;

export const batchInvarianceSchema = z.strictObject({
  /** False when the pass itself makes a row's result depend on its batch; true leaves float rounding. */
  byDesign: z.boolean(),
  /** Rows that were run alone and together. */
  rowCount: z.int(),
  /** Largest absolute difference of a row's prediction between the two. */
  maximumDifference: z.number(),
});
export type BatchInvariance = z.output<typeof batchInvarianceSchema>;

export const candidateSchema = z.strictObject({
  /** `fp32` or the pass's name. */
  name: z.string(),
  digest: digestSchema,
  sizeBytes: z.int(),
  latency: z.array(latencySchema),
  agreement: agreementSchema,
  batchInvariance: batchInvarianceSchema,
  /** Why it was left out, or null when it was eligible. */
  refused: z.string().nullable(),
});
export type Candidate = z.output<typeof candidateSchema>;

/** The ranges a pass was given: with them its candidate can be made again, byte for byte, without the data. */
export const calibrationRecordSchema = z.strictObject({
  method: calibrationSettingsSchema.shape.method.unwrap(),
  /** Null for a method without one. */
  percentile: z.number().nullable(),
  rowCount: z.int(),
  seed: z.int(),
  /** Lowest and highest value by the name of the activation. */
  ranges: z.record(z.string(), z.tuple([z.number(), z.number()])),
  /** SHA-256 of the ranges as JSON, sorted by name. */
  rangesDigest: digestSchema,
  /** SHA-256 of the rows' file and of the model they were run through. */
  dataDigest: digestSchema,
  modelDigest: digestSchema,
});
export type CalibrationRecord = z.output<typeof calibrationRecordSchema>;

export const optimizationReportSchema = z.strictObject({
  source: digestSchema,
  settings: optimizationSettingsSchema,
  candidates: z.array(candidateSchema),
  /** Passes that gave no candidate to measure, and why. */
  unmade: z.array(z.strictObject({ name: z.string(), reason: z.string() })),
  chosen: z.string(),
  reason: z.string(),
  /** By pass, of those that need one. */
  calibrations: z.record(z.string(), calibrationRecordSchema),
  /** What each pass did to each node, by pass. */
  nodes: z.record(
    z.string(),
    z.array(
      z.strictObject({
        name: z.string(),
        operator: z.string(),
        /** `stored`: only its constants changed, it computes in float. */
        action: z.enum(["quantized", "stored", "left"]),
        reason: z.string(),
      }),
    ),
  ),
  runtime: z.record(z.string(), z.string()),
});
export type OptimizationReport = z.output<typeof optimizationReportSchema>;
