import { bigint, pgTable, text } from "drizzle-orm/pg-core";

import { snapshotDescriptionSchema } from "../../contracts/data.ts";
import { ARTIFACT_KINDS } from "../../contracts/names.ts";
import { windowSchema } from "../../contracts/primitives.ts";
import { dataSpecSchema } from "../../contracts/spec.ts";
import { jsonColumn } from "../json.ts";
import { instant } from "./columns.ts";

export const artifact = pgTable("artifact", {
  digest: text("digest").primaryKey(),
  kind: text("kind", { enum: ARTIFACT_KINDS }).notNull(),
  sizeBytes: bigint("size_bytes", { mode: "number" }).notNull(),
  mediaType: text("media_type").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const datasetSnapshot = pgTable("dataset_snapshot", {
  digest: text("digest").primaryKey(),
  description: jsonColumn("description", snapshotDescriptionSchema).notNull(),
  sourcePath: text("source_path").notNull(),
  /** SHA-256 of the source's bytes, or null when it was not taken. */
  sourceDigest: text("source_digest"),
  selectExpressions: jsonColumn("select_expressions", dataSpecSchema.shape.select).notNull(),
  window: jsonColumn("time_window", windowSchema),
  createdAt: instant("created_at").notNull().defaultNow(),
});
