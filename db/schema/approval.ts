import { sql } from "drizzle-orm";
import { bigint, boolean, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import {
  ALARM_KINDS,
  APPROVAL_DECISIONS,
  approvalEvidenceSchema,
  approvalPolicySchema,
} from "../../contracts/approval.ts";
import { documentColumn, instant } from "./columns.ts";

/** Columns that Postgres makes from the hashed or signed bytes beside them. */
const made = sql`read from the document`;

export const approvalPolicy = pgTable("approval_policy", {
  id: uuid("id").primaryKey(),
  /** In the order they were set. */
  number: bigint("number", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
  /** Null: every model. */
  model: text("model"),
  /** Null in the default alone. */
  environment: text("environment"),
  /** Null takes the entry before it away. */
  policy: documentColumn("policy", approvalPolicySchema),
  digest: text("digest").generatedAlwaysAs(made),
  quorum: integer("quorum").generatedAlwaysAs(made),
  roles: text("roles").array().generatedAlwaysAs(made),
  expiresInMs: bigint("expires_in_ms", { mode: "number" }).generatedAlwaysAs(made),
  requiresSignature: boolean("requires_signature").generatedAlwaysAs(made),
  setBy: text("set_by").notNull(),
  reason: text("reason").notNull(),
  setAt: instant("set_at").notNull().defaultNow(),
});

export const approval = pgTable("approval", {
  id: uuid("id").primaryKey(),
  lifecycle: text("lifecycle"),
  /** Of decisions of release 0.1.0, which were about a round and have no evidence. */
  round: integer("round").default(1),
  decision: text("decision", { enum: APPROVAL_DECISIONS }).notNull(),
  decidedBy: text("decided_by").notNull(),
  /** Who made the version, and may not approve it. */
  startedBy: text("started_by").notNull(),
  reason: text("reason").notNull(),
  /** Of the evidence; in decisions of release 0.1.0, of the evaluation report. */
  evidenceDigest: text("evidence_digest").notNull(),
  decidedAt: instant("decided_at").notNull().defaultNow(),
  /** What it was about; null in decisions of release 0.1.0. */
  evidence: documentColumn("evidence", approvalEvidenceSchema),
  modelVersion: uuid("model_version").generatedAlwaysAs(made),
  modelDigest: text("model_digest").generatedAlwaysAs(made),
  environment: text("environment").generatedAlwaysAs(made),
  evaluation: uuid("evaluation").generatedAlwaysAs(made),
  verdict: text("verdict").generatedAlwaysAs(made),
  policyDigest: text("policy_digest").generatedAlwaysAs(made),
  roles: text("roles").array().notNull().default([]),
  /** Digest of the statement that was signed; null where people are believed by their word. */
  statement: text("statement"),
  expiresAt: instant("expires_at"),
  renewal: integer("renewal"),
});

export const alarm = pgTable("alarm", {
  id: uuid("id").primaryKey(),
  kind: text("kind", { enum: ALARM_KINDS }).notNull(),
  subject: text("subject").notNull(),
  text: text("text").notNull(),
  raisedAt: instant("raised_at").notNull().defaultNow(),
});

export const alarmAcknowledgement = pgTable("alarm_acknowledgement", {
  alarm: uuid("alarm").primaryKey(),
  acknowledgedBy: text("acknowledged_by").notNull(),
  reason: text("reason").notNull(),
  acknowledgedAt: instant("acknowledged_at").notNull().defaultNow(),
});

export const breakGlass = pgTable("break_glass", {
  id: uuid("id").primaryKey(),
  modelVersion: uuid("model_version").notNull(),
  environment: text("environment").notNull(),
  brokenBy: text("broken_by").notNull(),
  reason: text("reason").notNull(),
  statement: text("statement"),
  alarm: uuid("alarm").notNull(),
  brokenAt: instant("broken_at").notNull().defaultNow(),
});

export const breakGlassUse = pgTable("break_glass_use", {
  breakGlass: uuid("break_glass").primaryKey(),
  rollout: text("rollout").notNull(),
  usedAt: instant("used_at").notNull().defaultNow(),
});
