import { boolean, doublePrecision, integer, pgTable, smallint, text, uuid } from "drizzle-orm/pg-core";

import { ARMS } from "../../contracts/names.ts";
import { jsonColumn, unparsed } from "../json.ts";
import { instant } from "./columns.ts";

export const PREDICTION_OUTCOMES = ["ok", "error"] as const;

/** Partitioned by UTC day of `at`. */
export const prediction = pgTable("prediction", {
  inferenceId: text("inference_id").notNull(),
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  arm: text("arm", { enum: ARMS }).notNull(),
  /** Whether the shares decided the arm: only such requests are evidence. */
  assigned: boolean("assigned").notNull().default(true),
  modelVersion: uuid("model_version").notNull(),
  routingKeyHash: text("routing_key_hash"),
  at: instant("at").notNull(),
  latencyMs: doublePrecision("latency_ms").notNull(),
  outcome: text("outcome", { enum: PREDICTION_OUTCOMES }).notNull(),
  score: doublePrecision("score"),
  /** 0 or 1, by the threshold of the version's signature. */
  decision: smallint("decision"),
  features: jsonColumn("features", unparsed),
  /** Which row of its request it is; null where the gateway, of an older release, did not count the request. */
  requestRow: integer("request_row"),
});

export const feedback = pgTable("feedback", {
  inferenceId: text("inference_id").primaryKey(),
  /** 0 or 1. */
  label: smallint("label").notNull(),
  at: instant("at").notNull(),
  receivedAt: instant("received_at").notNull().defaultNow(),
});

export const feedbackConflict = pgTable("feedback_conflict", {
  inferenceId: text("inference_id").notNull(),
  label: smallint("label").notNull(),
  at: instant("at").notNull(),
  receivedAt: instant("received_at").notNull().defaultNow(),
});
