import { doublePrecision, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { estimateSchema, evaluationSettingsSchema, gateSchema } from "../../contracts/evaluation.ts";
import { METRICS, VERDICTS } from "../../contracts/names.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const evaluation = pgTable("evaluation", {
  id: uuid("id").primaryKey(),
  stageRun: uuid("stage_run"),
  modelVersion: uuid("model_version").notNull(),
  modelDigest: text("model_digest").notNull(),
  championVersion: uuid("champion_version"),
  dataDigest: text("data_digest").notNull(),
  reportDigest: text("report_digest"),
  verdict: text("verdict", { enum: VERDICTS }).notNull(),
  settings: jsonColumn("settings", evaluationSettingsSchema).notNull(),
  rowCount: integer("row_count").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const metricValue = pgTable("metric_value", {
  evaluation: uuid("evaluation").notNull(),
  metric: text("metric", { enum: METRICS }).notNull(),
  /** Empty, like `sliceValue`, for the whole data. */
  sliceColumn: text("slice_column").notNull().default(""),
  sliceValue: text("slice_value").notNull().default(""),
  estimate: doublePrecision("estimate"),
  low: doublePrecision("low"),
  high: doublePrecision("high"),
  sampleCount: integer("sample_count").notNull(),
  undefinedReason: text("undefined_reason"),
});

export const gateVerdict = pgTable("gate_verdict", {
  evaluation: uuid("evaluation").notNull(),
  position: integer("position").notNull(),
  gate: jsonColumn("gate", gateSchema).notNull(),
  verdict: text("verdict", { enum: VERDICTS }).notNull(),
  reason: text("reason").notNull(),
  slice: text("slice").notNull(),
  observed: jsonColumn("observed", estimateSchema).notNull(),
});
