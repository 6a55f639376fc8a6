import { boolean, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { VERDICTS } from "../../contracts/names.ts";
import { shadowCountsSchema } from "../../contracts/rollout.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const environment = pgTable("environment", {
  name: text("name").primaryKey(),
  requiresEvidence: boolean("requires_evidence").notNull().default(true),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const endpoint = pgTable("endpoint", {
  name: text("name").primaryKey(),
  environment: text("environment").notNull(),
  model: text("model").notNull(),
  /** 0 until something is deployed; written by the database alone. */
  currentEpoch: integer("current_epoch").notNull().default(0),
  leaseUntil: instant("lease_until"),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const routingEpoch = pgTable("routing_epoch", {
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  model: text("model").notNull(),
  championVersion: uuid("champion_version"),
  canaryVersion: uuid("canary_version"),
  /** Basis points. */
  championShare: integer("champion_share").notNull(),
  canaryShare: integer("canary_share").notNull(),
  /** Basis points of the champion's requests that are mirrored. */
  shadowShare: integer("shadow_share").notNull().default(0),
  salt: text("salt").notNull(),
  rollout: text("rollout"),
  reason: text("reason").notNull(),
  createdBy: text("created_by").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const promotion = pgTable("promotion", {
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  version: uuid("version").notNull(),
  modelDigest: text("model_digest").notNull(),
  evaluation: uuid("evaluation").notNull(),
  verdict: text("verdict", { enum: VERDICTS }).notNull().default("pass"),
});

export const gateway = pgTable("gateway", {
  id: text("id").primaryKey(),
  /** Where it answers; null while it does not yet. */
  address: text("address"),
  startedAt: instant("started_at").notNull().defaultNow(),
  seenAt: instant("seen_at").notNull().defaultNow(),
});

export const gatewayReport = pgTable("gateway_report", {
  gateway: text("gateway").notNull(),
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  version: uuid("version").notNull(),
  exits: integer("exits").notNull(),
  unreadySince: instant("unready_since"),
  schemaMismatches: integer("schema_mismatches").notNull(),
  shadow: jsonColumn("shadow", shadowCountsSchema),
  reportedAt: instant("reported_at").notNull().defaultNow(),
});

export const gatewayRoute = pgTable("gateway_route", {
  gateway: text("gateway").notNull(),
  endpoint: text("endpoint").notNull(),
  epoch: integer("epoch").notNull(),
  at: instant("at").notNull().defaultNow(),
});
