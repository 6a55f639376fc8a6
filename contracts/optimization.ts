import { z } from "zod";
import { QUANTIZATION_PASSES } from "./names.ts";
import { digestSchema, shareSchema } from "./primitives.ts";

export const optimizationSettingsSchema = z.strictObject({
  /** Candidates beside fp32, which always is one. */
  passes: z.array(z.enum(QUANTIZATION_PASSES)).default(["dynamic-int8"]),
  objective: z.enum(["size", "latency"]).default("latency"),
  /** Largest share of rows whose decision may differ from fp32. */
  maximumDisagreementShare: shareSchema.default(0.01),
  /** Rows of the evaluation data used to measure agreement. */
  sampleRows: z.int().min(100).default(5000),
});
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

export const candidateSchema = z.strictObject({
  /** `fp32` or the pass's name. */
  name: z.string(),
  digest: digestSchema,
  sizeBytes: z.int(),
  latency: z.array(latencySchema),
  agreement: agreementSchema,
  /** Why it was left out, or null when it was eligible. */
  refused: z.string().nullable(),
});
export type Candidate = z.output<typeof candidateSchema>;

export const optimizationReportSchema = z.strictObject({
  source: digestSchema,
  settings: optimizationSettingsSchema,
  candidates: z.array(candidateSchema),
  chosen: z.string(),
  reason: z.string(),
  /** What each pass did to each node, by pass. */
  nodes: z.record(
    z.string(),
    z.array(
      z.strictObject({
        name: z.string(),
        operator: z.string(),
        action: z.enum(["quantized", "left"]),
        reason: z.string(),
      }),
    ),
  ),
  runtime: z.record(z.string(), z.string()),
});
export type OptimizationReport = z.output<typeof optimizationReportSchema>;
