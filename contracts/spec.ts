import { z } from "zod";
import { dataChecksSchema, dataSourceSchema } from "./data.ts";
import { driftSettingsSchema } from "./drift.ts";
import { evaluationSettingsSchema } from "./evaluation.ts";
import { logSettingsSchema } from "./log-settings.ts";
import { RISK_TIERS } from "./names.ts";
import { optimizationSettingsSchema } from "./optimization.ts";
import { milliseconds, nameSchema, windowSchema } from "./primitives.ts";
import { ownerSchema, purposeSchema, tagKeySchema, tagValueSchema } from "./registry.ts";
import { rolloutPlanSchema } from "./rollout.ts";
import { trainingSettingsSchema } from "./training.ts";

export const dataSpecSchema = z
  .strictObject({
    source: dataSourceSchema,
    /** Columns of the snapshot: name to SQL expression over the source's columns. Nothing else reaches training. */
    select: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a plain column name"), z.string().min(1)),
    /** Selected column that orders the rows in time; windows cut on it. */
    time: z.string().min(1),
    /** Selected column to predict: 0/1 or boolean. */
    label: z.string().min(1),
    windows: z.strictObject({ training: windowSchema, evaluation: windowSchema }),
    checks: dataChecksSchema.prefault({}),
  })
  .superRefine((data, context) => {
    for (const field of ["time", "label"] as const) {
      if (!(data[field] in data.select)) {
        context.addIssue({ code: "custom", path: [field], message: `"${data[field]}" is not in select` });
      }
    }
  });
export type DataSpec = z.output<typeof dataSpecSchema>;

export const deploymentSpecSchema = z.strictObject({
  endpoint: nameSchema,
  environment: nameSchema.default("production"),
  rollout: rolloutPlanSchema.prefault({}),
  /**
   * What gateways keep of the endpoint's requests while this deployment is its newest; all rows without their columns, unless it says so.
   * Without a default: a spec that does not say it keeps its digest.
   */
  log: logSettingsSchema.optional(),
});
export type DeploymentSpec = z.output<typeof deploymentSpecSchema>;

/** When evidence may start a new lifecycle. */
export const retrainPolicySchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** Smallest time between two retrainings of the model. */
  cooldownMs: z
    .int()
    .min(0)
    .default(24 * 3600 * 1000),
  /** `slide` moves both data windows so that the evaluation ends where the check's window does; `same` keeps them. */
  windows: z.enum(["slide", "same"]).default("slide"),
  /** Most retrainings within `budgetWindowMs`. */
  budget: z.int().min(0).default(4),
  budgetWindowMs: milliseconds.default(30 * 24 * 3600 * 1000),
});
export type RetrainPolicy = z.output<typeof retrainPolicySchema>;

export const monitoringSpecSchema = z.strictObject({
  /** Five-field cron expression, UTC. */
  schedule: z.string().default("0 3 * * *"),
  /** Data of a check: by default the lifecycle's own source and select, the window ending at the scheduled time. */
  source: dataSourceSchema.optional(),
  windowMs: milliseconds.default(24 * 3600 * 1000),
  drift: driftSettingsSchema.prefault({}),
  retrain: retrainPolicySchema.prefault({}),
});
export type MonitoringSpec = z.output<typeof monitoringSpecSchema>;

/** A whole lifecycle: what people write as YAML or TypeScript. Unknown keys are errors. */
export const lifecycleSpecSchema = z.strictObject({
  /** What is said here about the model goes into the registry; what is left out stays as it was said before. */
  model: z.strictObject({
    name: nameSchema,
    purpose: purposeSchema.default(""),
    owner: ownerSchema.optional(),
    riskTier: z.enum(RISK_TIERS).optional(),
    tags: z.record(tagKeySchema, tagValueSchema).optional(),
  }),
  data: dataSpecSchema,
  training: trainingSettingsSchema,
  optimization: optimizationSettingsSchema.prefault({}),
  evaluation: evaluationSettingsSchema,
  approval: z.strictObject({ required: z.boolean().default(true) }).prefault({}),
  deployment: deploymentSpecSchema.optional(),
  monitoring: monitoringSpecSchema.optional(),
});
export type LifecycleSpec = z.output<typeof lifecycleSpecSchema>;
export type LifecycleSpecInput = z.input<typeof lifecycleSpecSchema>;
