import { sql } from "drizzle-orm";
import { bigint, customType, integer, pgTable, text } from "drizzle-orm/pg-core";

import { REGISTRY_ATTRIBUTES } from "../../contracts/names.ts";
import { registryStateSchema } from "../../contracts/registry.ts";
import { jsonColumn, unparsed } from "../json.ts";
import { bytes, instant } from "./columns.ts";

const words = customType<{ data: string }>({ dataType: () => "tsvector" });

/** What was said about a model (`number` is null) or a version, and when it became known. */
export const registryEntry = pgTable("registry_entry", {
  id: bigint("id", { mode: "number" })
    .primaryKey()
    .default(sql`nextval('registry_entry_id')`),
  model: text("model").notNull(),
  number: integer("number"),
  attribute: text("attribute", { enum: REGISTRY_ATTRIBUTES }).notNull(),
  /** Of a tag or an alias its name; else empty. */
  key: text("key").notNull().default(""),
  /** Null takes away what was said before. */
  value: jsonColumn("value", unparsed),
  /** When it is recorded, unless told. */
  validFrom: instant("valid_from")
    .notNull()
    .default(sql`'infinity'`),
  recordedAt: instant("recorded_at").notNull().defaultNow(),
  recordedBy: text("recorded_by").notNull(),
  reason: text("reason").notNull().default(""),
  /** Of the commitment that the audit log holds to a text; null where there is none, and once the text was erased. */
  salt: bytes("salt"),
});

/** The present that the entries come to; written by the database alone. */
export const modelState = pgTable("model_state", {
  model: text("model").primaryKey(),
  state: jsonColumn("state", registryStateSchema).notNull().default({}),
  facets: text("facets").array().notNull().default([]),
  words: words("words").notNull().default(""),
});

export const versionState = pgTable("version_state", {
  model: text("model").notNull(),
  number: integer("number").notNull(),
  /** In the order of registration: what a search goes by. */
  place: bigint("place", { mode: "number" }).notNull(),
  slice: integer("slice").notNull(),
  createdAt: instant("created_at").notNull(),
  state: jsonColumn("state", registryStateSchema).notNull().default({}),
  facets: text("facets").array().notNull().default([]),
  words: words("words").notNull().default(""),
});
