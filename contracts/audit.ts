import { z } from "zod";
import {
  ERASABLE_ATTRIBUTES,
  LIFECYCLE_STATUSES,
  LOGIN_ROLES,
  REGISTRY_ATTRIBUTES,
  REQUESTS,
  ROLLOUT_ALARMS,
  ROLLOUT_STATUSES,
  STAGES,
  STAGE_STATUSES,
  VERDICTS,
  type Verdict,
} from "./names.ts";
import {
  actorRefSchema,
  ASSURANCES,
  IDENTITY_MODES,
  PRINCIPAL_KINDS,
  ROLES,
  scopeSchema,
  textRefSchema,
} from "./identity.ts";
import { digestSchema } from "./primitives.ts";

/** The stream that everything the product does is recorded in. */
export const AUDIT_STREAM = "modelwright";

const versionId = z.string();

/** Who may do what is changed by somebody who is believed, who signed it, or who owns the database. */
/** It was in the wrong hands. */
const compromised = z.literal(true).optional();
const access = { assurance: z.enum(ASSURANCES), reason: textRefSchema };

/**
 * What is audited and what each event says. Personal data stays out: the actor is a pseudonym, and what a person wrote a commitment. Numbers
 * here are whole; an auditor reads measured numbers in the report whose digest the event names.
 */
const auditBodySchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("lifecycle-started"),
    model: z.string(),
    specDigest: digestSchema,
    reason: z.string(),
    /** Id of the retrain decision, or null when a person started it. */
    causedBy: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("lifecycle-status"),
    status: z.enum(LIFECYCLE_STATUSES),
    outcome: z.string().nullable(),
    failureCode: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("stage-finished"),
    stage: z.enum(STAGES),
    round: z.int(),
    status: z.enum(STAGE_STATUSES),
    verdict: z.enum(VERDICTS).nullable(),
    headline: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal("snapshot-recorded"), digest: digestSchema, sourceDigest: digestSchema.nullable() }),
  z.strictObject({
    kind: z.literal("version-registered"),
    versionId,
    digest: digestSchema,
    origin: z.string(),
    parentVersionId: versionId.nullable(),
    /** Of the snapshot it was trained on; null for a version made from another one or registered by hand. */
    trainingData: digestSchema.nullable(),
    /** The one that made it; null for a version registered by hand. */
    lifecycle: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("registry-changed"),
    /** The entries it made, in order. What they say can be anybody's text, so here stands what it hashes to. */
    entries: z.array(
      z.strictObject({
        id: z.int(),
        attribute: z.enum(REGISTRY_ATTRIBUTES),
        /** SHA-256 of the canonical JSON of `{model, number, attribute, key, value}`; of a text `text/` and SHA-256(salt, text). */
        digest: digestSchema,
      }),
    ),
    reason: z.string(),
  }),
  z.strictObject({
    kind: z.literal("evaluation-recorded"),
    versionId,
    modelDigest: digestSchema,
    dataDigest: digestSchema,
    reportDigest: digestSchema.nullable(),
    verdict: z.enum(VERDICTS),
    /** SHA-256 of the canonical JSON of `JudgedGate[]`, in order. */
    gatesDigest: digestSchema,
  }),
  z.strictObject({
    kind: z.literal("approval-decided"),
    decision: z.enum(["approve", "reject"]),
    reason: textRefSchema,
    /** Of the `ApprovalEvidence`. */
    evidenceDigest: digestSchema,
    approvalId: z.string(),
    /** Null for a lifecycle that deploys nowhere. */
    environment: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("approval-policy-set"),
    model: z.string().nullable(),
    environment: z.string(),
    /** Digest of the policy; null when it was taken away. */
    policy: digestSchema.nullable(),
    quorum: z.int().nullable(),
    roles: z.array(z.string()),
    reason: textRefSchema,
  }),
  z.strictObject({
    kind: z.literal("glass-broken"),
    glassId: z.string(),
    alarm: z.string(),
    environment: z.string(),
    reason: textRefSchema,
  }),
  z.strictObject({ kind: z.literal("alarm-raised"), alarm: z.string(), text: z.string() }),
  z.strictObject({ kind: z.literal("alarm-acknowledged"), reason: textRefSchema }),
  z.strictObject({
    kind: z.literal("request-made"),
    request: z.enum(REQUESTS),
    reason: textRefSchema,
    /** Past the evidence. */
    override: z.literal(true).optional(),
    /** Basis points that were asked for. */
    canaryShare: z.int().optional(),
  }),
  z.strictObject({
    kind: z.literal("rollout-started"),
    endpoint: z.string(),
    planDigest: digestSchema,
    championVersionId: versionId.nullable(),
    canaryVersionId: versionId,
    /** The approvals that entitled it; none where none were asked for. */
    approvals: z.array(z.string()),
    /** The broken glass it went through instead. */
    glassId: z.string().nullable(),
    /** The alias it was asked for by, as `NAME@ALIAS`. */
    requestedAs: z.string().optional(),
    /** The first rollout of the same plan and bytes against the same champion, whose evidence goes on. */
    continues: z.string().optional(),
  }),
  z.strictObject({
    kind: z.literal("rollout-alarmed"),
    endpoint: z.string(),
    /** The look that raised them first. */
    look: z.int(),
    alarms: z.array(z.enum(ROLLOUT_ALARMS)),
  }),
  z.strictObject({
    kind: z.literal("rollout-ended"),
    endpoint: z.string(),
    status: z.enum(ROLLOUT_STATUSES),
    outcome: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("routing-advanced"),
    endpoint: z.string(),
    epoch: z.int(),
    championVersionId: versionId.nullable(),
    canaryVersionId: versionId.nullable(),
    /** Basis points. */
    canaryShare: z.int(),
    /** The passing evaluations by which these versions may serve; none where none was asked for and none was there. */
    evaluations: z.array(z.strictObject({ versionId, evaluationId: z.string() })),
    reason: z.string(),
  }),
  z.strictObject({
    kind: z.literal("monitor-changed"),
    versionId,
    baselineProfile: digestSchema,
    active: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal("drift-checked"),
    monitor: z.string(),
    scheduledAt: z.string(),
    verdict: z.string(),
    harm: z.boolean(),
    reportDigest: digestSchema.nullable(),
  }),
  z.strictObject({
    kind: z.literal("retrain-decided"),
    driftCheck: z.string(),
    decision: z.string(),
    reason: z.string(),
    lifecycle: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("login-created"),
    role: z.enum(LOGIN_ROLES),
    teams: z.array(z.string()),
    reason: textRefSchema,
  }),
  z.strictObject({ kind: z.literal("login-removed"), role: z.enum(LOGIN_ROLES), reason: textRefSchema }),
  /** Days of the prediction log before this one (UTC) and how many rows they had. */
  z.strictObject({
    kind: z.literal("predictions-dropped"),
    before: z.string(),
    rowCount: z.int(),
    reason: textRefSchema,
    /** Row of `log_settings` by which their time was over; none where somebody asked. */
    retention: z.string().optional(),
  }),
  z.strictObject({
    kind: z.literal("log-settings-set"),
    /** Row of `log_settings`. */
    setting: z.string(),
    /** Digest of the settings; null for the whole log, and where they were taken back. */
    settings: digestSchema.nullable(),
    retentionDays: z.int().nullable(),
    reason: textRefSchema,
  }),
  /** Null: the model is everybody's. */
  z.strictObject({ kind: z.literal("team-set"), team: z.string().nullable(), reason: textRefSchema }),
  z.strictObject({
    kind: z.literal("principal-registered"),
    principalKind: z.enum(PRINCIPAL_KINDS),
    team: z.string().nullable(),
    ...access,
  }),
  z.strictObject({
    kind: z.literal("role-granted"),
    grantId: z.string(),
    role: z.enum(ROLES),
    model: z.string().nullable(),
    environment: z.string().nullable(),
    ...access,
  }),
  z.strictObject({ kind: z.literal("role-revoked"), grantId: z.string(), role: z.enum(ROLES), compromised, ...access }),
  /** Whose signatures are whose: the key that the token's statements are checked with. */
  z.strictObject({
    kind: z.literal("token-issued"),
    principal: actorRefSchema,
    publicKey: z.string(),
    scope: scopeSchema,
    expiresAt: z.string(),
    ...access,
  }),
  z.strictObject({ kind: z.literal("token-revoked"), principal: actorRefSchema, compromised, ...access }),
  /** What was erased is not said, only how much. */
  z.strictObject({ kind: z.literal("person-erased"), textCount: z.int(), ...access }),
  /** The same of what was said in the registry in one place; of a tag not even its name. */
  z.strictObject({
    kind: z.literal("said-erased"),
    attribute: z.enum(ERASABLE_ATTRIBUTES),
    entryCount: z.int(),
    ...access,
  }),
  z.strictObject({ kind: z.literal("identity-set"), mode: z.enum(IDENTITY_MODES), ...access }),
]);

/** A gate as an evaluation's event commits to it: so the reasons can be shown offline and the event stays small. */
export interface JudgedGate {
  readonly metric: string;
  readonly verdict: Verdict;
  readonly reason: string;
}

export type AuditBody = z.output<typeof auditBodySchema>;
export type AuditKind = AuditBody["kind"];

/** What is hashed, in RFC 8785 canonical JSON. */
export const auditEventSchema = z.strictObject({
  stream: z.string().min(1).max(200),
  /** From 1, without a gap in its stream. */
  seq: z.int().min(1),
  /** Database time, UTC, microseconds. */
  at: z.string(),
  actor: actorRefSchema,
  /** Of the signed statement that proves the actor asked for it; absent where he was believed, and where a worker acts for him. */
  statement: digestSchema.optional(),
  /** What it is about: `lifecycle/ID`, `model/NAME@N`, ... */
  subject: z.string().min(1),
  body: auditBodySchema,
});
export type AuditEvent = z.output<typeof auditEventSchema>;

/** What whoever records an event gives; the database adds the rest. */
export const auditEntrySchema = auditEventSchema.omit({ seq: true, at: true, actor: true });
