import { z } from "zod";
import { DRIFT_TESTS, DRIFT_VERDICTS } from "./names.ts";
import { digestSchema } from "./primitives.ts";

/** One watched column of the reference, summarised once with fixed edges; drift checks only count against it. */
export const baselineColumnSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("number"),
    column: z.string(),
    /** Ascending inner edges; bin i holds (edges[i-1], edges[i]], the first and last bins are open. */
    edges: z.array(z.number()).min(1),
    /** edges.length + 1 counts. */
    counts: z.array(z.int()),
    nullCount: z.int(),
  }),
  z.strictObject({
    kind: z.literal("category"),
    column: z.string(),
    values: z.array(z.string()),
    counts: z.array(z.int()),
    nullCount: z.int(),
  }),
]);
export type BaselineColumn = z.output<typeof baselineColumnSchema>;

/** Column name under which the model's own score is watched. */
export const SCORE_COLUMN = "(score)";

export const baselineProfileSchema = z.strictObject({
  version: z.literal(1),
  data: digestSchema,
  rowCount: z.int(),
  columns: z.array(baselineColumnSchema).min(1),
});
export type BaselineProfile = z.output<typeof baselineProfileSchema>;

export const driftSettingsSchema = z.strictObject({
  tests: z
    .array(z.enum(DRIFT_TESTS))
    .min(1)
    .default(["kolmogorov-smirnov", "jensen-shannon", "null-rate", "new-category-rate"]),
  /** Columns to watch; default every feature and the score. */
  columns: z.array(z.string()).optional(),
  /** A stable stream pages at most once in this many checks, whatever the number of columns and tests. */
  checksPerFalseAlarm: z.int().min(10).default(365),
  /** Effect below which a difference is of no interest, by test, in the test's own unit. */
  margins: z.partialRecord(z.enum(DRIFT_TESTS), z.number().min(0)).default({}),
  minimumRows: z.int().min(1).default(200),
});
export type DriftSettings = z.output<typeof driftSettingsSchema>;

export const driftResultSchema = z.strictObject({
  column: z.string(),
  test: z.enum(DRIFT_TESTS),
  /** Effect size in the test's unit. */
  statistic: z.number(),
  /** Bounds of the effect at the check's share of the error budget. */
  interval: z.tuple([z.number(), z.number()]),
  margin: z.number(),
  verdict: z.enum(DRIFT_VERDICTS),
  /** Smallest effect that this many rows could have proved. */
  detectable: z.number(),
  method: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type DriftResult = z.output<typeof driftResultSchema>;

export const driftReportSchema = z.strictObject({
  reference: digestSchema,
  current: digestSchema,
  rowCount: z.int(),
  settings: driftSettingsSchema,
  results: z.array(driftResultSchema),
  /** `drifted` if any result is; `insufficient` if none is and any is; zero results are `insufficient`. */
  verdict: z.enum(DRIFT_VERDICTS),
  driftedColumns: z.array(z.string()),
  /** Counts of this window in the profile's bins, so that the verdict can be recomputed. */
  counts: z.array(baselineColumnSchema),
});
export type DriftReport = z.output<typeof driftReportSchema>;
