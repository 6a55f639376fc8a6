import { z } from "zod";
import { approvalEvidenceSchema } from "./approval.ts";
import { statementSchema } from "./identity.ts";
import { VERDICTS } from "./names.ts";
import { digestSchema } from "./primitives.ts";

/** What an evidence bundle says of itself; a verifier refuses a format it does not know. */
export const BUNDLE_FORMAT = "modelwright-evidence/2";

/** A bundle travels by mail: events beyond what the facts stand on are left out before it grows larger. */
export const BUNDLE_LIMIT_BYTES = 100_000;

const base64 = z.base64();
/** Number of the audit event that proves the fact, or null when the log holds none. */
const event = z.int().min(1).nullable();
/** Of the row; the verifier compares it with the event's. */
const by = z.string();

const versionFact = z.strictObject({
  event,
  /** `NAME@N`. */
  name: z.string(),
  versionId: z.string(),
  digest: digestSchema,
  origin: z.string(),
  parentVersionId: z.string().nullable(),
  lifecycle: z.string().nullable(),
  by,
});

const epochFact = z.strictObject({
  event,
  endpoint: z.string(),
  epoch: z.int(),
  championVersionId: z.string().nullable(),
  canaryVersionId: z.string().nullable(),
  canaryShare: z.int(),
  by,
});

/** What somebody signed, and the key of the token he signed it with. */
const proofSchema = z.strictObject({
  /** Of the token's issue. */
  event,
  statement: statementSchema,
  signature: z.string(),
  token: z.string(),
  /** Ed25519, base64url, as it was recorded when the token was issued. */
  publicKey: z.string(),
});

/** The story of a prediction as the registry's rows tell it. Each fact names the event it must agree with. */
const factsSchema = z.strictObject({
  /** The log of predictions is not audited row by row: this is what the gateway wrote, and no event proves it. */
  prediction: z.strictObject({
    inferenceId: z.string(),
    at: z.string(),
    endpoint: z.string(),
    epoch: z.int(),
    arm: z.string(),
    versionId: z.string(),
    outcome: z.string(),
    score: z.number().nullable(),
    decision: z.int().nullable(),
  }),
  epoch: epochFact,
  version: versionFact,
  /** The version it was optimized from. */
  parent: versionFact.nullable(),
  evaluation: z
    .strictObject({
      event,
      evaluationId: z.string(),
      versionId: z.string(),
      modelDigest: digestSchema,
      dataDigest: digestSchema,
      reportDigest: digestSchema.nullable(),
      verdict: z.enum(VERDICTS),
      gates: z.array(z.strictObject({ metric: z.string(), verdict: z.enum(VERDICTS), reason: z.string() })),
    })
    .nullable(),
  /** The rollout that brought the version to the endpoint. Its event names the approvals, or the broken glass, that let it in. */
  rollout: z
    .strictObject({ event, rolloutId: z.string(), endpoint: z.string(), canaryVersionId: z.string() })
    .nullable(),
  /** What people decided about the version for the environment before the epoch, oldest first. */
  approvals: z.array(
    z.strictObject({
      event,
      approvalId: z.string(),
      decision: z.string(),
      reason: z.string(),
      evidenceDigest: digestSchema,
      by,
      /** Null in decisions of release 0.1.0, which were about the report. */
      evidence: approvalEvidenceSchema.nullable(),
      proof: proofSchema.nullable(),
    }),
  ),
  /** Glass that was broken for the version to get into the environment. */
  brokenGlass: z.array(
    z.strictObject({
      event,
      glassId: z.string(),
      environment: z.string(),
      reason: z.string(),
      by,
      proof: proofSchema.nullable(),
    }),
  ),
  lifecycle: z
    .strictObject({
      event,
      lifecycleId: z.string(),
      model: z.string(),
      specDigest: digestSchema,
      reason: z.string(),
      causedBy: z.string().nullable(),
      by,
    })
    .nullable(),
  /** What the version, or its parent, was trained on. */
  trainingData: z.array(z.strictObject({ event, digest: digestSchema, sourceDigest: digestSchema.nullable() })),
});
export type EvidenceFacts = z.output<typeof factsSchema>;

/** Everything an outsider needs to check a prediction's story with no access to the system. Read by verifier/verify-bundle.mjs. */
export const evidenceBundleSchema = z.strictObject({
  format: z.literal(BUNDLE_FORMAT),
  /** NAME+ID+KEY. For orientation: who verifies takes the key from somewhere he trusts, never from here. */
  publicKey: z.string(),
  /** Signed note; every proof leads to its root. */
  checkpoint: z.string(),
  /** Earlier checkpoints, each with the proof that this log only grew since. */
  earlier: z.array(z.strictObject({ checkpoint: z.string(), proof: z.array(base64) })),
  events: z.array(
    z.strictObject({
      /** Leaf number `seq - 1` of the tree. */
      seq: z.int().min(1),
      /** The stored canonical bytes. */
      body: base64,
      proof: z.array(base64),
    }),
  ),
  /** Events about these subjects that were left out for size. */
  eventsLeftOut: z.int().min(0),
  facts: factsSchema,
  /** Names and words behind the pseudonyms and commitments of facts and events, as far as they are not erased or held back. */
  openings: z.array(z.strictObject({ ref: z.string(), salt: base64, value: z.string() })).optional(),
});
export type EvidenceBundle = z.output<typeof evidenceBundleSchema>;
