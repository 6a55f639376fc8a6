import { bigint, integer, pgTable, text } from "drizzle-orm/pg-core";

import type { ExecutionKind, LineageRole } from "../../contracts/names.ts";
import { instant } from "./columns.ts";

const id = (name: string) => bigint(name, { mode: "number" });

/** A thing: data, a model's bytes, a version, an evaluation, ... */
export const lineageNode = pgTable("lineage_node", {
  id: id("id").primaryKey().generatedAlwaysAsIdentity(),
  ref: text("ref").notNull(),
});

/** What was done, once: its row is the seal on its edges. */
export const execution = pgTable("execution", {
  id: id("id").primaryKey(),
  kind: text("kind").$type<ExecutionKind>().notNull(),
  lifecycle: text("lifecycle"),
  round: integer("round"),
  workflowId: text("workflow_id"),
  runId: text("run_id"),
  activityId: text("activity_id"),
  attempt: integer("attempt"),
  codeDigest: text("code_digest"),
  parametersDigest: text("parameters_digest"),
  startedAt: instant("started_at").notNull(),
  sealedAt: instant("sealed_at").notNull(),
  usedCount: integer("used_count").notNull(),
  generatedCount: integer("generated_count").notNull(),
  /** Every execution it stands on; null above the cap. */
  upstream: id("upstream").array(),
});

export const used = pgTable("used", {
  execution: id("execution").notNull(),
  node: id("node").notNull(),
  role: text("role").$type<LineageRole>().notNull(),
  madeBy: id("made_by"),
});

export const generated = pgTable("generated", {
  execution: id("execution").notNull(),
  node: id("node").notNull(),
  role: text("role").$type<LineageRole>().notNull(),
});
