import { z } from "zod";
import { gateResultSchema } from "./evaluation.ts";
import { METRICS, OPTIMIZATION_GATES, OPTIMIZATION_OUTCOMES, QUANTIZATION_PASSES, VERDICTS } from "./names.ts";
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

/** How much worse than fp32 a candidate may be in a metric, judged on the whole interval of the difference on the same rows. */
export const toleranceSchema = z
  .strictObject({
    metric: z.enum(METRICS),
    /** In the metric's unit, to the worse side. */
    maximumDrop: z.number().min(0).optional(),
    /** As a share of fp32's own value. */
    maximumRelativeDrop: shareSchema.optional(),
    rows: z.enum(["overall", "every-slice"]).default("overall"),
  })
  .refine(
    ({ maximumDrop, maximumRelativeDrop }) => (maximumDrop === undefined) !== (maximumRelativeDrop === undefined),
    "a tolerance has exactly one of maximumDrop, maximumRelativeDrop",
  );
export type Tolerance = z.output<typeof toleranceSchema>;

/** What the chosen candidate must keep to, beside being as good as fp32. */
export const constraintsSchema = z.strictObject({
  tolerances: z.array(toleranceSchema).default([]),
  /** Columns whose values are the slices of `every-slice`. */
  slices: z.array(z.string()).default([]),
  minimumSliceRows: z.int().min(10).default(100),
  confidence: z.number().gt(0.5).lt(1).default(0.95),
  /** p95 of one run by the batch size it is served in. */
  maximumP95Ms: z.array(z.strictObject({ batch: z.int().min(1), ms: z.number().gt(0) })).default([]),
  maximumBytes: z.int().min(1).optional(),
  /** Resident memory a process of its own takes for the model, loaded and run once. */
  maximumMemoryBytes: z.int().min(1).optional(),
  maximumCostPerThousand: z.number().gt(0).optional(),
});
export type Constraints = z.output<typeof constraintsSchema>;

export const optimizationSettingsSchema = z.strictObject({
  /** Candidates beside fp32, which always is one. */
  passes: z.array(z.enum(QUANTIZATION_PASSES)).default(["dynamic-int8"]),
  objective: z.enum(["size", "latency", "cost"]).default("latency"),
  constraints: constraintsSchema.prefault({}),
  /** Batch sizes it will be served in; the first is what it is served in now. */
  batches: z.array(z.int().min(1).max(4096)).min(1).default([1, 32]),
  /** Threads of one run to try; the first is what it is served with now. */
  threads: z.array(z.int().min(1).max(64)).min(1).default([1]),
  /** Price of one core for one hour, for costs; in any currency. */
  pricePerCoreHour: z.number().gt(0).default(0.04),
  /** Rows of the sample that decide whether a candidate is worth measuring on all of it, and which layers fall back. */
  proxyRows: z.int().min(16).default(300),
  /** What the outputs on these rows must at least keep of fp32's. */
  minimumSignalToNoiseDb: z.number().default(15),
  /** Layers a pass may give back to float to come inside the tolerance. */
  maximumFallbacks: z.int().min(0).default(32),
  /** When it is over, what was found so far is chosen from. */
  searchBudgetMs: z.int().min(1000).default(600_000),
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
  threads: z.int(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  repeatCount: z.int(),
});
export type Latency = z.output<typeof latencySchema>;

/** By candidate. */
export const latenciesSchema = z.array(z.array(latencySchema));
/** Bytes; null when the process that should tell ended without a number. */
export const memorySchema = z.int().nullable();

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

/** Pairs of neighbouring 8-bit weights, and what a processor that adds their products in 16 bits could lose. */
export const saturationSchema = z.strictObject({
  pairCount: z.int(),
  /** Share of the pairs whose sum can pass 32767 with the largest activations. */
  overflowShare: z.number(),
  largestSum: z.number(),
  /** The sums that were made on rows of the data; null where nothing could overflow, and in reports of release 0.1.0. */
  onData: z
    .strictObject({
      pairCount: z.int(),
      /** Share of them that do pass 16 bits. */
      overflowShare: z.number(),
      /** The layer with the largest share; null where none does. */
      worst: z.strictObject({ layer: z.string(), overflowShare: z.number() }).nullable(),
    })
    .nullable()
    .default(null),
});
export type Saturation = z.output<typeof saturationSchema>;

export const optimizationGateSchema = z.strictObject({
  name: z.enum(OPTIMIZATION_GATES),
  /** `fail` leaves the candidate out; `inconclusive` holds on this host, or is for people to weigh. */
  verdict: z.enum(VERDICTS),
  reason: z.string(),
});
export type OptimizationGate = z.output<typeof optimizationGateSchema>;

export const candidateSchema = z.strictObject({
  /** `fp32` or the pass's name. */
  name: z.string(),
  /** Nodes given back to float, in the order they were. */
  fallbacks: z.array(z.string()),
  digest: digestSchema,
  sizeBytes: z.int(),
  latency: z.array(latencySchema),
  agreement: agreementSchema,
  batchInvariance: batchInvarianceSchema,
  saturation: saturationSchema,
  gates: z.array(optimizationGateSchema),
  /** The tolerances, judged against fp32 on the same rows. */
  tolerances: z.array(gateResultSchema),
  /** Null when no constraint asks for it, or it could not be measured. */
  memoryBytes: memorySchema,
  /** Why it was left out, or null when it was eligible. */
  refused: z.string().nullable(),
  /** Constraints it does not keep, each a sentence. */
  unmet: z.array(z.string()),
  /** Nothing measured is at least as good in size, latency and closeness to fp32 and better in one. */
  onParetoFront: z.boolean(),
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

/** The way of serving a candidate was measured best in. */
export const servingSchema = z.strictObject({
  batch: z.int(),
  threads: z.int(),
  p50Ms: z.number(),
  costPerThousand: z.number(),
  /** Rows of one run under load: the measured batch with the least time a row among those that keep the bounds on p95. */
  maximumBatchRows: z.int().default(1),
  /** How long a request may wait for others to make a batch; 0 runs what there is. */
  waitMs: z.number().default(0),
});

/** One candidate compared with fp32 on the proxy rows, or on all rows of the sample. */
export const trialSchema = z.strictObject({
  pass: z.enum(QUANTIZATION_PASSES),
  /** `layer`: one layer alone quantized, to see what it costs. */
  stage: z.enum(["proxy", "layer", "full"]),
  fallbacks: z.array(z.string()),
  layer: z.string().nullable(),
  signalToNoiseDb: z.number().nullable(),
  sameDecisionShare: z.number(),
  isInside: z.boolean(),
});
export type Trial = z.output<typeof trialSchema>;

export const optimizationReportSchema = z.strictObject({
  source: digestSchema,
  settings: optimizationSettingsSchema,
  candidates: z.array(candidateSchema),
  /** Passes that gave no candidate to measure, and why. */
  unmade: z.array(z.strictObject({ name: z.string(), reason: z.string() })),
  /** `met`: a better one that keeps every constraint; `best-effort`: the nearest to them; `none`: fp32 stays as it is. */
  outcome: z.enum(OPTIMIZATION_OUTCOMES),
  chosen: z.string(),
  reason: z.string(),
  /** How the chosen one was measured best, for whoever serves it. */
  serving: servingSchema,
  /** Digest of the record a gateway serves the chosen one by; null in reports of release 0.1.0. */
  servingRecord: digestSchema.nullable().default(null),
  trials: z.array(trialSchema),
  /** What each layer of the chosen candidate costs when it alone is quantized: the ratio of its outputs to fp32's, null for nothing. */
  layers: z.array(z.strictObject({ name: z.string(), signalToNoiseDb: z.number().nullable() })),
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
