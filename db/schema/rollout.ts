import { bigint, doublePrecision, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { ROLLOUT_STATUSES, ROLLOUT_VERDICTS } from "../../contracts/names.ts";
import { rolloutLookSchema, rolloutPlanSchema } from "../../contracts/rollout.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const rollout = pgTable("rollout", {
  id: text("id").primaryKey(),
  endpoint: text("endpoint").notNull(),
  model: text("model").notNull(),
  lifecycle: text("lifecycle"),
  plan: jsonColumn("plan", rolloutPlanSchema).notNull(),
  planDigest: text("plan_digest").notNull(),
  /** Above it a request is slow; null without a latency guardrail. */
  latencyThresholdMs: doublePrecision("latency_threshold_ms"),
  championVersion: uuid("champion_version"),
  canaryVersion: uuid("canary_version").notNull(),
  startedBy: text("started_by").notNull(),
  /** The first rollout whose evidence goes on in this one. */
  continues: text("continues"),
  status: text("status", { enum: ROLLOUT_STATUSES }).notNull().default("running"),
  outcome: text("outcome"),
  startedAt: instant("started_at").notNull().defaultNow(),
  endedAt: instant("ended_at"),
});

export const rolloutTurn = pgTable("rollout_turn", {
  rollout: text("rollout").primaryKey(),
  endpoint: text("endpoint").notNull(),
  number: bigint("number", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  askedAt: instant("asked_at").notNull().defaultNow(),
});

export const rolloutOverride = pgTable("rollout_override", {
  id: uuid("id").primaryKey(),
  rollout: text("rollout").notNull(),
  /** Basis points that were set; null for a promotion. */
  canaryShare: integer("canary_share"),
  askedBy: text("asked_by").notNull(),
  reason: text("reason").notNull(),
  /** Digest of the statement that was signed; null where people are believed by their word. */
  statement: text("statement"),
  at: instant("at").notNull().defaultNow(),
});

export const deploymentLook = pgTable("deployment_look", {
  rollout: text("rollout").notNull(),
  number: integer("number").notNull(),
  at: instant("at").notNull().defaultNow(),
  verdict: text("verdict", { enum: ROLLOUT_VERDICTS }).notNull(),
  look: jsonColumn("look", rolloutLookSchema).notNull(),
});
