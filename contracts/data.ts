import { z } from "zod";
import { DATA_CHECKS, VERDICTS } from "./names.ts";
import { shareSchema, windowSchema } from "./primitives.ts";
import type { TensorDatatype } from "./signature.ts";

export const DATA_FORMATS = ["parquet", "csv", "jsonl", "npz"] as const;
export type DataFormat = (typeof DATA_FORMATS)[number];

/** A file of rows. The format follows from the extension unless named. */
export const dataSourceSchema = z.strictObject({
  path: z.string().min(1),
  format: z.enum(DATA_FORMATS).optional(),
});
export type DataSource = z.output<typeof dataSourceSchema>;

/** Rows in memory, a batch at a time, column by column. */
export type Column =
  /** NaN is null. Booleans are 0 and 1, timestamps milliseconds since 1970 as if UTC. */
  | { readonly kind: "number"; readonly values: Float64Array }
  /** `codes[i]` indexes `dictionary`; -1 is null. */
  | { readonly kind: "text"; readonly codes: Int32Array; readonly dictionary: readonly string[] }
  /** Row-major, `rowShape` numbers a row. */
  | { readonly kind: "tensor"; readonly values: Float64Array; readonly rowShape: readonly number[] };

export interface ColumnBatch {
  readonly rowCount: number;
  readonly columns: ReadonlyMap<string, Column>;
}

export type TensorValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface Tensor {
  readonly name: string;
  readonly datatype: TensorDatatype;
  readonly shape: readonly number[];
  /** Row-major. BYTES tensors are arrays of strings. */
  readonly data: TensorValues | readonly string[];
}

export const COLUMN_TYPES = ["number", "boolean", "timestamp", "text", "tensor"] as const;
export const columnDescriptionSchema = z.strictObject({ name: z.string(), type: z.enum(COLUMN_TYPES) });
export type ColumnDescription = z.output<typeof columnDescriptionSchema>;

/** What a dataset snapshot says of itself: it is the artifact's schema, window and provenance. */
export const snapshotDescriptionSchema = z.strictObject({
  columns: z.array(columnDescriptionSchema),
  rowCount: z.int(),
  window: windowSchema.nullable(),
  /** Earliest and latest value of the time column, ISO, or null without one. */
  timeRange: z.strictObject({ from: z.string(), to: z.string() }).nullable(),
});
export type SnapshotDescription = z.output<typeof snapshotDescriptionSchema>;

/** Thresholds of data validation; shares are of rows. Each is a blocking check. */
export const dataChecksSchema = z.strictObject({
  minimumRows: z.int().min(1).default(1000),
  maximumNullShare: shareSchema.default(0.05),
  /** Allowed inclusive range of numeric columns. */
  ranges: z.record(z.string(), z.tuple([z.number(), z.number()])).default({}),
  /** Share of rows that repeat another row in every column. */
  maximumDuplicateShare: shareSchema.default(0.05),
  /** Share of evaluation rows that also stand in the training data in every column. */
  maximumOverlapShare: shareSchema.default(0.01),
  /** Smallest share a class of the label may have. */
  minimumClassShare: shareSchema.default(0.01),
  /** ROC AUC above which a single feature predicts the label too well to be known before the outcome. */
  maximumSingleFeatureAuc: z.number().min(0.5).max(1).default(0.95),
});
export type DataChecks = z.output<typeof dataChecksSchema>;

export const checkResultSchema = z.strictObject({
  check: z.enum(DATA_CHECKS),
  /** `training`, `evaluation` or `both`. */
  dataset: z.string(),
  column: z.string().nullable(),
  verdict: z.enum(VERDICTS),
  /** The number that mattered, or null where there is none. */
  observed: z.number().nullable(),
  allowed: z.string(),
  message: z.string(),
});
export type CheckResult = z.output<typeof checkResultSchema>;

export const columnSummarySchema = z.strictObject({
  name: z.string(),
  type: z.enum(COLUMN_TYPES),
  rowCount: z.int(),
  nullCount: z.int(),
  /** Null where the column is not numeric or holds only nulls. */
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  mean: z.number().nullable(),
  deviation: z.number().nullable(),
  distinctCount: z.int().nullable(),
});
export type ColumnSummary = z.output<typeof columnSummarySchema>;

export const validationReportSchema = z.strictObject({
  verdict: z.enum(VERDICTS),
  /** Number of checks executed; zero is a failure. */
  executedCount: z.int(),
  checks: z.array(checkResultSchema),
  datasets: z.array(z.strictObject({ name: z.string(), rowCount: z.int(), columns: z.array(columnSummarySchema) })),
});
export type ValidationReport = z.output<typeof validationReportSchema>;
