import { z } from "zod";
import { METRICS, VERDICTS } from "./names.ts";
import { digestSchema } from "./primitives.ts";

/** A number with its uncertainty, or the reason there is none; undefined is never 0. */
export const estimateSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("estimate"),
    estimate: z.number(),
    /** [low, high] at `confidence`. */
    interval: z.tuple([z.number(), z.number()]),
    confidence: z.number().gt(0).lt(1),
    sampleCount: z.int().min(1),
    /** How the number and its interval were computed: statistic, interval, seed, bins, floors. */
    method: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
  z.strictObject({ kind: z.literal("undefined"), reason: z.string(), sampleCount: z.int().min(0) }),
]);
export type Estimate = z.output<typeof estimateSchema>;

/**
 * A rule fixed before the evaluation. Bounds are judged on the interval, never on the point estimate:
 * pass when the whole interval is on the good side, fail when it is wholly on the bad side, else inconclusive.
 */
export const gateSchema = z
  .strictObject({
    metric: z.enum(METRICS),
    atLeast: z.number().optional(),
    atMost: z.number().optional(),
    /** Paired non-inferiority: how much worse than the champion the challenger may be, in the metric's unit. Passes without a champion. */
    notWorseThanChampionBy: z.number().min(0).optional(),
    /** `overall`, or `every` value of the slice columns with at least `minimumSliceRows` rows. */
    rows: z.enum(["overall", "every-slice"]).default("overall"),
  })
  .refine(
    (gate) =>
      [gate.atLeast, gate.atMost, gate.notWorseThanChampionBy].filter((bound) => bound !== undefined).length === 1,
    "a gate has exactly one of atLeast, atMost, notWorseThanChampionBy",
  );
export type Gate = z.output<typeof gateSchema>;

export const evaluationSettingsSchema = z.strictObject({
  gates: z.array(gateSchema).min(1),
  /** Columns whose values are the slices. */
  slices: z.array(z.string()).default([]),
  minimumSliceRows: z.int().min(10).default(1000),
  confidence: z.number().gt(0.5).lt(1).default(0.95),
  calibrationBins: z.int().min(2).max(100).default(15),
  seed: z.int().min(0).default(1),
});
export type EvaluationSettings = z.output<typeof evaluationSettingsSchema>;

export const metricResultSchema = z.strictObject({ metric: z.enum(METRICS), value: estimateSchema });
export type MetricResult = z.output<typeof metricResultSchema>;

export const sliceResultSchema = z.strictObject({
  column: z.string(),
  value: z.string(),
  rowCount: z.int(),
  metrics: z.array(metricResultSchema),
});
export type SliceResult = z.output<typeof sliceResultSchema>;

/** Challenger minus champion on the same rows, in the metric's unit. */
export const comparisonResultSchema = z.strictObject({
  metric: z.enum(METRICS),
  challenger: z.number(),
  champion: z.number(),
  difference: estimateSchema,
});
export type ComparisonResult = z.output<typeof comparisonResultSchema>;

export const gateResultSchema = z.strictObject({
  gate: gateSchema,
  verdict: z.enum(VERDICTS),
  /** One sentence: what was found against what was allowed. */
  reason: z.string(),
  /** `overall` or `column=value` of the worst slice. */
  slice: z.string(),
  observed: estimateSchema,
});
export type GateResult = z.output<typeof gateResultSchema>;

/** Points of a curve, thinned to at most a few hundred for drawing. */
const curve = z.array(z.tuple([z.number(), z.number()]));
export const evaluationCurvesSchema = z.strictObject({
  /** [false positive rate, true positive rate] */
  roc: curve,
  /** [recall, precision] */
  precisionRecall: curve,
  reliability: z.array(
    z.strictObject({
      meanScore: z.number(),
      positiveShare: z.number(),
      low: z.number(),
      high: z.number(),
      rowCount: z.int(),
    }),
  ),
});
export type EvaluationCurves = z.output<typeof evaluationCurvesSchema>;

export const evaluationReportSchema = z.strictObject({
  model: digestSchema,
  champion: digestSchema.nullable(),
  data: digestSchema,
  rowCount: z.int(),
  positiveCount: z.int(),
  settings: evaluationSettingsSchema,
  metrics: z.array(metricResultSchema),
  slices: z.array(sliceResultSchema),
  comparison: z.array(comparisonResultSchema),
  gates: z.array(gateResultSchema),
  verdict: z.enum(VERDICTS),
  curves: evaluationCurvesSchema,
  championCurves: evaluationCurvesSchema.nullable(),
});
export type EvaluationReport = z.output<typeof evaluationReportSchema>;
