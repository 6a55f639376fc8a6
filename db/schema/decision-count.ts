import { bigint, boolean, integer, pgTable, smallint, text, uuid } from "drizzle-orm/pg-core";

import { logSettingsSchema } from "../../contracts/log-settings.ts";
import { ARMS } from "../../contracts/names.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";
import { PREDICTION_OUTCOMES } from "./prediction.ts";

const count = (name: string) => bigint(name, { mode: "number" }).notNull();

/** What gateways counted, by the minute; never sampled. */
export const decisionCount = pgTable("decision_count", {
  spool: uuid("spool").notNull(),
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  arm: text("arm", { enum: ARMS }).notNull(),
  assigned: boolean("assigned").notNull(),
  /** True where looks count `decision_unit` and not these. */
  byUnit: boolean("by_unit").notNull(),
  modelVersion: uuid("model_version").notNull(),
  minute: instant("minute").notNull(),
  requests: count("requests"),
  errors: count("errors"),
  sheds: count("sheds"),
  slow: count("slow"),
  /** By `LATENCY_BOUNDS_MS`, and above all of them. */
  latencies: bigint("latencies", { mode: "number" }).array().notNull(),
  ranges: bigint("ranges", { mode: "number" }).array().notNull(),
});

/** The first request of each routing key in an epoch of a rollout. */
export const decisionUnit = pgTable("decision_unit", {
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  unit: text("unit").notNull(),
  arm: text("arm", { enum: ARMS }).notNull(),
  at: instant("at").notNull(),
  inferenceId: text("inference_id").notNull(),
  outcome: text("outcome", { enum: PREDICTION_OUTCOMES }).notNull(),
  slow: boolean("slow").notNull(),
  range: smallint("range"),
  decision: smallint("decision"),
});

/** What somebody said is kept of requests, or how long; the newest of an endpoint, or of the whole log, holds. */
export const logSettings = pgTable("log_settings", {
  id: uuid("id").primaryKey(),
  /** In the order they were set. */
  number: bigint("number", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  /** Null: the whole log. */
  endpoint: text("endpoint"),
  /** Null takes back what was set before. */
  settings: jsonColumn("settings", logSettingsSchema),
  retentionDays: integer("retention_days"),
  setBy: text("set_by").notNull(),
  reason: text("reason").notNull(),
  setAt: instant("set_at").notNull().defaultNow(),
});

/** How far each gateway's journal is in Postgres, and what became of its rows. */
export const gatewayLog = pgTable("gateway_log", {
  spool: uuid("spool").primaryKey(),
  gateway: text("gateway").notNull(),
  shippedTo: count("shipped_to").default(0),
  /** Always `written + spilled + dropped`. */
  accepted: count("accepted").default(0),
  written: count("written").default(0),
  spilled: count("spilled").default(0),
  dropped: count("dropped").default(0),
  at: instant("at").notNull().defaultNow(),
});
