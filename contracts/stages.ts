import { z } from "zod";
import { snapshotDescriptionSchema } from "./data.ts";
import { ROLLOUT_STATUSES, VERDICTS } from "./names.ts";
import { digestSchema } from "./primitives.ts";
import { modelFactsSchema, modelSignatureSchema } from "./signature.ts";

/** What each stage leaves behind in its stage run, read again by later stages: ids and digests, never data. */

export const snapshotReferenceSchema = z.strictObject({ digest: digestSchema, description: snapshotDescriptionSchema });
export type SnapshotReference = z.output<typeof snapshotReferenceSchema>;

/** A version of a model, by id, number and the digest of its bytes. */
export const versionReferenceSchema = z.strictObject({
  versionId: z.string(),
  model: z.string(),
  number: z.int(),
  digest: digestSchema,
});
export type VersionReference = z.output<typeof versionReferenceSchema>;

export const stageResultSchemas = {
  accept: z.strictObject({ specDigest: digestSchema }),
  snapshot: z.strictObject({ training: snapshotReferenceSchema, evaluation: snapshotReferenceSchema }),
  validate: z.strictObject({ report: digestSchema, verdict: z.enum(VERDICTS), failedChecks: z.array(z.string()) }),
  train: z.strictObject({
    model: digestSchema,
    signature: modelSignatureSchema,
    metrics: z.record(z.string(), z.number()),
  }),
  admit: z.strictObject({ version: versionReferenceSchema, facts: modelFactsSchema, profile: digestSchema }),
  optimize: z.strictObject({ version: versionReferenceSchema, report: digestSchema, chosen: z.string() }),
  evaluate: z.strictObject({
    evaluationId: z.string(),
    report: digestSchema,
    page: digestSchema,
    verdict: z.enum(VERDICTS),
  }),
  approve: z.strictObject({ decision: z.enum(["approve", "reject", "not-required"]), by: z.string().nullable() }),
  deploy: z.strictObject({ rolloutId: z.string(), status: z.enum(ROLLOUT_STATUSES), reason: z.string() }),
  monitor: z.strictObject({ monitorId: z.string(), schedule: z.string(), retired: z.array(z.string()) }),
} as const;

export type StageResult<Name extends keyof typeof stageResultSchemas> = z.output<(typeof stageResultSchemas)[Name]>;
