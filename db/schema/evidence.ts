import { bigint, boolean, integer, pgTable, smallint, text } from "drizzle-orm/pg-core";

import { jsonColumn, unparsed } from "../json.ts";
import { bytes, instant, transactionId } from "./columns.ts";

export const auditHead = pgTable("audit_head", {
  stream: text("stream").primaryKey(),
  seq: bigint("seq", { mode: "number" }).notNull(),
  hash: bytes("hash").notNull(),
  /** Transaction that wrote the newest event; the database alone writes and reads it. */
  writtenIn: transactionId("written_in"),
});

export const auditEvent = pgTable("audit_event", {
  stream: text("stream").notNull(),
  seq: bigint("seq", { mode: "number" }).notNull(),
  at: instant("at").notNull(),
  actor: text("actor").notNull(),
  kind: text("kind").notNull(),
  subject: text("subject").notNull(),
  body: bytes("body").notNull(),
  previousHash: bytes("previous_hash").notNull(),
  hash: bytes("hash").notNull(),
});

/** Roots of complete subtrees of 256 events, 65,536 events, ...; written by the database. */
export const auditNode = pgTable("audit_node", {
  stream: text("stream").notNull(),
  level: smallint("level").notNull(),
  index: bigint("index", { mode: "number" }).notNull(),
  hash: bytes("hash").notNull(),
});

export const auditCheckpoint = pgTable("audit_checkpoint", {
  stream: text("stream").notNull(),
  size: bigint("size", { mode: "number" }).notNull(),
  root: bytes("root").notNull(),
  note: text("note").notNull(),
  publicKey: text("public_key").notNull(),
  whole: boolean("whole").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const operation = pgTable("operation", {
  key: text("key").primaryKey(),
  requestDigest: text("request_digest").notNull(),
  workflowId: text("workflow_id").notNull(),
  runId: text("run_id").notNull(),
  activityId: text("activity_id").notNull(),
  attempt: integer("attempt").notNull(),
  result: jsonColumn("result", unparsed),
  at: instant("at").notNull().defaultNow(),
});
