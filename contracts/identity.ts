import { z } from "zod";
import { ERASABLE_ATTRIBUTES } from "./names.ts";
import { digestSchema, nameSchema } from "./primitives.ts";

/** What somebody with an account may be allowed to do. Reading is not among them: who reads is the database's logins' business. */
export const DEEDS = [
  /** A lifecycle, or another round of a failed one. */
  "start",
  "pause",
  "resume",
  "abort",
  /** A model file of one's own. */
  "register",
  /** Owner, purpose, tags, aliases, stages, tombstones. */
  "annotate",
  /** An approval or a rejection. */
  "decide",
  "deploy",
  "rollback",
  /** Another share for a running canary, one that its plan allows by now. */
  "share",
  /** Past the evidence of a rollout: to its end, or to a share that its plan does not allow yet. Recorded as an override. */
  "promote",
  /** Past an approval that is missing, with an alarm. */
  "break-glass",
  "acknowledge",
  /** What gateways keep of requests, and how long. */
  "log",
  /** Approval policies. */
  "policy",
  /** Accounts, roles, tokens, erasure, the identity setting. */
  "access",
  /** Ask a gateway for predictions. */
  "infer",
  /** Tell a gateway what came true. */
  "feedback",
] as const;
export type Deed = (typeof DEEDS)[number];

export const ROLES = ["viewer", "engineer", "approver", "operator", "administrator", "auditor"] as const;
export type Role = (typeof ROLES)[number];
export const roleSchema = z.enum(ROLES);

/**
 * Deeds of a role. Viewers and auditors read, and nothing here stands between them and that. `infer` and `feedback` belong to no
 * role: a token whose scope names them is enough, so that the account of a calling program needs none.
 */
export const ROLE_DEEDS = {
  viewer: [],
  auditor: [],
  engineer: ["start", "pause", "resume", "abort", "share", "register", "annotate"],
  approver: ["decide"],
  operator: ["pause", "resume", "abort", "deploy", "rollback", "share", "promote", "break-glass", "acknowledge", "log"],
  administrator: DEEDS,
} as const satisfies Record<Role, readonly Deed[]>;

/** Roles that reach only models of the account's own team, and those of none. */
export const TEAM_ROLES: readonly Role[] = ["engineer"];

export const PRINCIPAL_KINDS = ["person", "service"] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

/** Whether anybody is believed who names himself, or everything people do needs a signed statement. */
export const IDENTITY_MODES = ["declared", "required"] as const;
export type IdentityMode = (typeof IDENTITY_MODES)[number];
export const identityModeSchema = z.enum(IDENTITY_MODES);

/** How sure it is who did something: he said so, his token signed it, or he owned the database. */
export const ASSURANCES = ["declared", "signed", "owner"] as const;
export type Assurance = (typeof ASSURANCES)[number];

const PERSON = /^person\/[0-9a-f]{32}$/;
const SERVICE = /^service\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * An actor as it is stored: `service/NAME`, or `person/` and the beginning of SHA-256(salt, name). Name and salt lie elsewhere and
 * can be erased; then this says that it was one person, and no longer who.
 */
export const actorRefSchema = z
  .string()
  .refine((text) => PERSON.test(text) || SERVICE.test(text), "person/… or service/…");

/** What a person wrote, as it is stored: `text/` and SHA-256(salt, text), or nothing where nothing was said. */
export const textRefSchema = z.string().regex(/^(?:text\/[0-9a-f]{64})?$/, "text/ and a SHA-256, or nothing");

/** 32 bytes, base64url without padding. */
const thirtyTwoBytes = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "32 bytes in base64url");

export const grantIdSchema = z.uuid();

/** 16 hexadecimal digits; it is no secret. */
export const tokenIdSchema = z.string().regex(/^[0-9a-f]{16}$/, "16 hexadecimal digits");

/** What a token may be used for: each list narrows, null does not. */
export const scopeSchema = z.strictObject({
  deeds: z.array(z.enum(DEEDS)).min(1).nullable(),
  models: z.array(nameSchema).min(1).max(100).nullable(),
  environments: z.array(nameSchema).min(1).max(100).nullable(),
});
export type Scope = z.output<typeof scopeSchema>;

export const STATEMENT_FORMAT = "modelwright-statement/1";

/**
 * What somebody signs; the signature is over its RFC 8785 canonical JSON. It holds no personal data: the name is a pseudonym and the
 * reason a commitment, so that it can be kept for ever and shown to anybody.
 */
export const statementSchema = z.strictObject({
  format: z.literal(STATEMENT_FORMAT),
  deed: z.enum(DEEDS),
  /** What it is done to: `lifecycle/ID`, `rollout/ID`, `endpoint/NAME`, `model/NAME@N`, ... A statement about another is refused. */
  subject: z.string().min(1).max(2000),
  by: actorRefSchema,
  reason: textRefSchema,
  /** SHA-256 of the canonical JSON of what exactly is asked, as the message carries it. */
  details: digestSchema,
  issuedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** 16 random bytes in hexadecimal digits: a statement is used once. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/, "16 bytes in hexadecimal digits"),
});
export type Statement = z.output<typeof statementSchema>;

/** A statement with its signature, as messages carry it. The token's secret is not in it. */
export const signedStatementSchema = z.strictObject({
  token: tokenIdSchema,
  statement: statementSchema,
  /** Ed25519, base64url. */
  signature: z.string().regex(/^[A-Za-z0-9_-]{86}$/, "64 bytes in base64url"),
  /** Opens the commitment in `statement.reason`; it is kept where it can be erased, and not beside the statement. */
  reasonSalt: thirtyTwoBytes,
});
export type SignedStatement = z.output<typeof signedStatementSchema>;

/** Longest time a statement may be good for. */
export const STATEMENT_LIFE_MS = 31 * 24 * 3600 * 1000;

/** It was in the wrong hands: what was decided with it and not used yet counts no more. Can also be said after it was revoked. */
const compromised = z.literal(true).optional();

/** What changes accounts. One at a time; who and why travel beside it. `who` is a name as people type it or a ref. */
export const accessChangeSchema = z.discriminatedUnion("change", [
  z.strictObject({
    change: z.literal("principal"),
    kind: z.enum(PRINCIPAL_KINDS),
    name: z.string().trim().min(1).max(200),
    team: nameSchema.nullable(),
  }),
  z.strictObject({
    change: z.literal("grant"),
    who: z.string().min(1).max(200),
    role: roleSchema,
    model: nameSchema.nullable(),
    environment: nameSchema.nullable(),
  }),
  z.strictObject({ change: z.literal("revoke"), grant: grantIdSchema, compromised }),
  z.strictObject({
    change: z.literal("token"),
    id: tokenIdSchema,
    who: z.string().min(1).max(200),
    /** What it is for, as `laptop` or `nightly-ci`; no place for names of people. */
    label: nameSchema,
    /** SHA-256 of the token: what a bearer is found by. */
    hash: digestSchema,
    publicKey: thirtyTwoBytes,
    scope: scopeSchema,
    /** From database time on. */
    expiresInMs: z
      .int()
      .min(1)
      .max(10 * 366 * 24 * 3600 * 1000),
  }),
  z.strictObject({ change: z.literal("revoke-token"), token: tokenIdSchema, compromised }),
  z.strictObject({ change: z.literal("erase"), who: z.string().min(1).max(200) }),
  z.strictObject({
    change: z.literal("erase-said"),
    model: nameSchema,
    /** Null: about the model itself. */
    number: z.int().min(1).nullable(),
    attribute: z.enum(ERASABLE_ATTRIBUTES),
    /** Of a tag its name; else empty. */
    key: z.string().max(250),
  }),
  z.strictObject({ change: z.literal("identity"), mode: identityModeSchema }),
]);
export type AccessChange = z.output<typeof accessChangeSchema>;
