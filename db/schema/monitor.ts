import { boolean, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { DRIFT_VERDICTS } from "../../contracts/names.ts";
import { windowSchema } from "../../contracts/primitives.ts";
import { monitoringSpecSchema } from "../../contracts/spec.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const monitor = pgTable("monitor", {
  id: text("id").primaryKey(),
  model: text("model").notNull(),
  modelVersion: uuid("model_version").notNull(),
  lifecycle: text("lifecycle"),
  spec: jsonColumn("spec", monitoringSpecSchema).notNull(),
  schedule: text("schedule").notNull(),
  baselineProfile: text("baseline_profile").notNull(),
  active: boolean("active").notNull().default(true),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const driftCheck = pgTable("drift_check", {
  id: uuid("id").primaryKey(),
  monitor: text("monitor").notNull(),
  scheduledAt: instant("scheduled_at").notNull(),
  window: jsonColumn("time_window", windowSchema).notNull(),
  dataDigest: text("data_digest"),
  reportDigest: text("report_digest"),
  verdict: text("verdict", { enum: DRIFT_VERDICTS }).notNull(),
  driftedColumns: text("drifted_columns").array().notNull().default([]),
  harm: boolean("harm").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const RETRAIN_DECISIONS = ["start", "cooldown", "budget", "in-flight", "disabled"] as const;
export type RetrainVerdict = (typeof RETRAIN_DECISIONS)[number];

export const retrainDecision = pgTable("retrain_decision", {
  id: uuid("id").primaryKey(),
  monitor: text("monitor").notNull(),
  model: text("model").notNull(),
  driftCheck: uuid("drift_check").notNull(),
  decision: text("decision", { enum: RETRAIN_DECISIONS }).notNull(),
  reason: text("reason").notNull(),
  /** Id of the lifecycle to start, with `start` only. */
  lifecycle: text("lifecycle"),
  at: instant("at").notNull().defaultNow(),
});
