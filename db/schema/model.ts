import { integer, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { VERSION_ORIGINS } from "../../contracts/names.ts";
import { modelFactsSchema, modelSignatureSchema } from "../../contracts/signature.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const model = pgTable("model", {
  name: text("name").primaryKey(),
  purpose: text("purpose").notNull(),
  /** Whose it is; null for everybody's. */
  team: text("team"),
  /** Number the next version gets. */
  nextVersion: integer("next_version").notNull().default(1),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const modelVersion = pgTable("model_version", {
  id: uuid("id").primaryKey(),
  model: text("model").notNull(),
  /** Given by the database, without gaps in a model; 0 in an INSERT is replaced. */
  number: integer("number").notNull(),
  artifact: text("artifact").notNull(),
  signature: jsonColumn("signature", modelSignatureSchema).notNull(),
  origin: text("origin", { enum: VERSION_ORIGINS }).notNull(),
  parentVersion: uuid("parent_version"),
  facts: jsonColumn("facts", modelFactsSchema).notNull(),
  lifecycle: text("lifecycle"),
  round: integer("round"),
  name: text("name"),
  createdBy: text("created_by").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});
