import { z } from "zod";
import { ROLES } from "./identity.ts";
import { digestSchema, nameSchema } from "./primitives.ts";

/** What somebody may say about a version. */
export const APPROVAL_DECISIONS = ["approve", "reject"] as const;
export type ApprovalDecision = (typeof APPROVAL_DECISIONS)[number];

/** Longest and shortest time an approval may be good for. */
const EXPIRES_IN_MS = { atLeast: 1000, atMost: 366 * 24 * 3600 * 1000 } as const;

/** What it takes to be approved. The author never counts, whatever the terms say. */
export const approvalTermsSchema = z.strictObject({
  /** How many different people must approve. */
  quorum: z.int().min(1).max(10).default(1),
  /** Somebody needs one of these roles for his decision to count; without any, everybody's does. */
  roles: z
    .array(z.enum(ROLES))
    .default([])
    .transform((roles) => [...new Set(roles)].sort()),
  /** How long a decision counts, from the moment it is recorded. */
  expiresInMs: z
    .int()
    .min(EXPIRES_IN_MS.atLeast)
    .max(EXPIRES_IN_MS.atMost)
    .default(30 * 24 * 3600 * 1000),
  /** Only statements signed with a token count. */
  requiresSignature: z.boolean().default(false),
});
export type ApprovalTerms = z.output<typeof approvalTermsSchema>;

export const POLICY_FORMAT = "modelwright-approval-policy/1";

/** Terms and what they hold for; SHA-256 of its RFC 8785 canonical JSON is the policy's digest. */
export const approvalPolicySchema = approvalTermsSchema.extend({
  format: z.literal(POLICY_FORMAT),
  /** Null: every model. */
  model: nameSchema.nullable(),
  /** Null in the default alone, which holds where nothing else was set and a spec asks for approval. */
  environment: nameSchema.nullable(),
});
export type ApprovalPolicy = z.output<typeof approvalPolicySchema>;

export const EVIDENCE_FORMAT = "modelwright-approval-evidence/1";

/**
 * What an approval is about: exactly these bytes, judged exactly so, for one environment under one policy. SHA-256 of its RFC 8785
 * canonical JSON is the evidence digest; when any of it changes, approvals of what was before count no more.
 */
export const approvalEvidenceSchema = z.strictObject({
  format: z.literal(EVIDENCE_FORMAT),
  /** `NAME@N`. */
  version: z.string(),
  versionId: z.string(),
  modelDigest: digestSchema,
  /** Null for a lifecycle that deploys nowhere. */
  environment: nameSchema.nullable(),
  /** The one that made the version; null for one registered by hand. */
  lifecycle: z.string().nullable(),
  /** The passing evaluation that still stands; null when the version was never evaluated. */
  evaluation: z
    .strictObject({
      id: z.string(),
      report: digestSchema.nullable(),
      /** Of its `JudgedGate[]`. */ gates: digestSchema,
    })
    .nullable(),
  /** Digest of the policy in force. */
  policy: digestSchema,
});
export type ApprovalEvidence = z.output<typeof approvalEvidenceSchema>;

/** How a version stands before an approval policy. */
export type ApprovalStanding =
  | { readonly status: "approved"; readonly by: readonly string[]; readonly says: string }
  | { readonly status: "waiting"; readonly missing: number; readonly by: readonly string[]; readonly says: string }
  | { readonly status: "rejected"; readonly by: string; readonly says: string }
  /** What was decided counts no more; it takes new decisions, or a new evaluation. */
  | { readonly status: "void"; readonly says: string };

/** What asks for somebody's eyes; it stays open until somebody acknowledges it, and on record for ever. */
export const ALARM_KINDS = ["break-glass", "audit-not-signed", "drift", "check-missed"] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

/** How long a broken glass lets a version through: once, and within a day. */
export const BREAK_GLASS_LIFE_MS = 24 * 3600 * 1000;
