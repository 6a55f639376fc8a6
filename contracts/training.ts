import { z } from "zod";
import { columnDescriptionSchema, DATA_FORMATS } from "./data.ts";
import { milliseconds, digestSchema } from "./primitives.ts";

export const trainingSettingsSchema = z.strictObject({
  /** Registered kind of handoff. `process`: a command on the compute worker's machine. */
  trainer: z.enum(["process"]).default("process"),
  /** Program and arguments; the manifest's path is appended. Never run through a shell. */
  command: z.array(z.string().min(1)).min(1),
  /** Directory the command runs in; relative to the spec's file. */
  workingDirectory: z.string().min(1).default("."),
  /** Handed to the trainer untouched. */
  parameters: z.record(z.string(), z.json()).default({}),
  seed: z.int().min(0).default(1),
  timeoutMs: milliseconds.default(3_600_000),
  /** A trainer that prints nothing for this long counts as hanging. */
  silenceMs: milliseconds.default(300_000),
});
export type TrainingSettings = z.output<typeof trainingSettingsSchema>;

/** What a trainer reads: a JSON file whose path is its last argument. */
export const trainerManifestSchema = z.strictObject({
  version: z.literal(1),
  data: z.strictObject({
    path: z.string(),
    digest: digestSchema,
    format: z.enum(DATA_FORMATS),
    rowCount: z.int(),
    columns: z.array(columnDescriptionSchema),
  }),
  /** Column to predict. */
  label: z.string(),
  /** Columns that may be used; everything else in the data may not. */
  features: z.array(z.string()),
  parameters: z.record(z.string(), z.json()),
  seed: z.int(),
  /** Where the results go: the ONNX model, its signature (ModelSignature as JSON) and training metrics (a flat JSON object of numbers). */
  output: z.strictObject({ model: z.string(), signature: z.string(), metrics: z.string() }),
});
export type TrainerManifest = z.output<typeof trainerManifestSchema>;

/** A line a trainer may print on standard output; other lines are kept as its log. SIGTERM asks it to stop. */
export const trainerProgressSchema = z.strictObject({
  /** 0 to 1. */
  progress: z.number().min(0).max(1),
  note: z.string().max(500).default(""),
});
export type TrainerProgress = z.output<typeof trainerProgressSchema>;

export const trainerMetricsSchema = z.record(z.string(), z.number());
