import { integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { LIFECYCLE_STATUSES, STAGE_STATUSES, STAGES, VERDICTS } from "../../contracts/names.ts";
import { lifecycleSpecSchema } from "../../contracts/spec.ts";
import { jsonColumn, unparsed } from "../json.ts";
import { instant } from "./columns.ts";

export const lifecycle = pgTable("lifecycle", {
  id: text("id").primaryKey(),
  model: text("model").notNull(),
  spec: jsonColumn("spec", lifecycleSpecSchema).notNull(),
  specDigest: text("spec_digest").notNull(),
  startedBy: text("started_by").notNull(),
  reason: text("reason").notNull().default(""),
  /** The retrain decision that started it. */
  causedBy: uuid("caused_by"),
  status: text("status", { enum: LIFECYCLE_STATUSES }).notNull().default("running"),
  outcome: text("outcome"),
  failureCode: text("failure_code"),
  startedAt: instant("started_at").notNull().defaultNow(),
  statusAt: instant("status_at").notNull().defaultNow(),
  finishedAt: instant("finished_at"),
});

export const stageRun = pgTable("stage_run", {
  id: uuid("id").primaryKey(),
  lifecycle: text("lifecycle").notNull(),
  stage: text("stage", { enum: STAGES }).notNull(),
  round: integer("round").notNull().default(1),
  status: text("status", { enum: STAGE_STATUSES }).notNull().default("running"),
  verdict: text("verdict", { enum: VERDICTS }),
  config: jsonColumn("config", unparsed),
  result: jsonColumn("result", unparsed),
  failure: jsonColumn("failure", unparsed),
  /** The one number that mattered, as people read it. */
  headline: text("headline"),
  /** Fencing token of the current start. */
  attempt: integer("attempt").notNull().default(1),
  startedAt: instant("started_at").notNull().defaultNow(),
  finishedAt: instant("finished_at"),
});
