import { z } from "zod";
import { NO_VERSION_STAGE, REGISTRY_ATTRIBUTES, RISK_TIERS, VERSION_ORIGINS, type RegistryAttribute } from "./names.ts";
import { digestSchema, instantSchema, lineSchema, nameSchema, textSchema } from "./primitives.ts";

/** A version's alias in its model, as `best` in `flight-delay@best`. Never what could be taken for a number. */
export const aliasSchema = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,62}$/, "letters, digits, `_`, `.` and `-`, beginning with a letter, at most 63")
  .refine((text) => !/^(?:v[0-9]+|latest)$/i.test(text), "not `latest`, and nothing like `v3`");

export const versionNumberSchema = z.int().min(1).max(999_999_999);
export const tagKeySchema = lineSchema(250).refine(
  (text) => !text.includes("=") && text !== "__proto__",
  "no `=`, and not `__proto__`",
);
export const tagValueSchema = textSchema(5000);
export const ownerSchema = lineSchema(200);
export const purposeSchema = textSchema(2000);

const stageSchema = nameSchema.refine(
  (name) => name !== NO_VERSION_STAGE,
  "`none` is where a version is without a stage",
);

/** What each attribute may hold; null takes away what was said before. */
const values = {
  owner: ownerSchema,
  purpose: purposeSchema.min(1),
  "risk-tier": z.enum(RISK_TIERS),
  team: nameSchema,
  description: textSchema(2000).min(1),
  tag: tagValueSchema,
  /** Number of the version it points to. */
  alias: versionNumberSchema,
  stages: z
    .array(stageSchema)
    .min(1)
    .max(20)
    .refine((stages) => new Set(stages).size === stages.length, "each stage once"),
  stage: stageSchema,
  tombstone: z.literal(true),
} satisfies Record<RegistryAttribute, z.ZodType>;

/** What an attribute is said about: a model, a version of one, or either. */
export const ATTRIBUTE_SUBJECTS = {
  owner: "model",
  purpose: "model",
  "risk-tier": "model",
  team: "model",
  description: "either",
  tag: "either",
  /** Kept with the model, whichever of the two is named: it points to one version at a time. */
  alias: "either",
  stages: "model",
  stage: "version",
  tombstone: "either",
} as const satisfies Record<RegistryAttribute, "model" | "version" | "either">;

const sayings = REGISTRY_ATTRIBUTES.map((attribute) =>
  z.strictObject({
    attribute: z.literal(attribute),
    /** Of a tag or an alias its name; else empty. */
    key: attribute === "tag" ? tagKeySchema : attribute === "alias" ? aliasSchema : z.literal(""),
    value: values[attribute].nullable(),
  }),
);

/** One thing said about a model or a version. */
export const sayingSchema = z.discriminatedUnion(
  "attribute",
  sayings as [(typeof sayings)[number], ...(typeof sayings)[number][]],
);
export type Saying = z.output<typeof sayingSchema>;

/** Everything that is changed at once, about one model or one version of it. */
export const registryChangeSchema = z
  .strictObject({
    model: nameSchema,
    /** Null: about the model itself. */
    number: versionNumberSchema.nullable(),
    sayings: z.array(sayingSchema).min(1).max(50),
    /** True from then on; from now on unless told. A moment that has not come is refused. */
    validFrom: instantSchema.nullable(),
  })
  .superRefine(({ number, sayings: said }, context) => {
    const subject = number === null ? "model" : "version";
    const slots = new Set<string>();
    for (const [index, { attribute, key }] of said.entries()) {
      const path = ["sayings", index];
      const wanted = ATTRIBUTE_SUBJECTS[attribute];
      // Who may read a model is not for those to say who may write about it.
      if (attribute === "team")
        context.addIssue({ code: "custom", path, message: "whose a model is, `modelwright access team` says" });
      if (wanted !== "either" && wanted !== subject)
        context.addIssue({ code: "custom", path, message: `${attribute} is said about a ${wanted}` });
      if (slots.has(`${attribute} ${key}`))
        context.addIssue({ code: "custom", path, message: `${attribute} stands twice` });
      slots.add(`${attribute} ${key}`);
    }
  });
export type RegistryChange = z.output<typeof registryChangeSchema>;

/** What is true of a model or a version at one moment, as the database puts its entries together. */
export const registryStateSchema = z.strictObject({
  owner: z.string().optional(),
  purpose: z.string().optional(),
  "risk-tier": z.enum(RISK_TIERS).optional(),
  team: z.string().optional(),
  description: z.string().optional(),
  tag: z.record(z.string(), z.string()).optional(),
  alias: z.record(z.string(), z.int()).optional(),
  stages: z.array(z.string()).optional(),
  stage: z.string().optional(),
  tombstone: z.literal(true).optional(),
});
export type RegistryState = z.output<typeof registryStateSchema>;

/** Longest search string. */
const wordsSchema = lineSchema(1000);

const moment = {
  /** When it was true; now unless told. */
  asOf: instantSchema.optional(),
  /** When we knew it; now unless told. Told alone it is `asOf` too. */
  knownAt: instantSchema.optional(),
} as const;
export const momentSchema = z.strictObject(moment);
export type Moment = z.output<typeof momentSchema>;

const page = {
  /** `websearch_to_tsquery`: words, "phrases", or, -not. */
  words: wordsSchema.optional(),
  owner: ownerSchema.optional(),
  riskTier: z.enum(RISK_TIERS).optional(),
  team: nameSchema.optional(),
  /** All of them; a version has those of its model too. */
  tags: z.record(tagKeySchema, tagValueSchema).optional(),
  /** What was deleted, instead of what is there. */
  deleted: z.boolean().optional(),
  createdAfter: instantSchema.optional(),
  createdBefore: instantSchema.optional(),
  limit: z.int().min(1).max(500).default(50),
  /** As an earlier page of the same question gave it. */
  after: z.string().max(500).optional(),
  ...moment,
} as const;

/** Models by name. */
export const modelQuerySchema = z.strictObject(page);
export type ModelQuery = z.output<typeof modelQuerySchema>;

/** Versions, the newest first. */
export const versionQuerySchema = z.strictObject({
  ...page,
  model: nameSchema.optional(),
  stage: nameSchema.optional(),
  alias: aliasSchema.optional(),
  origin: z.enum(VERSION_ORIGINS).optional(),
  digest: digestSchema.optional(),
  lifecycle: lineSchema(200).optional(),
});
export type VersionQuery = z.output<typeof versionQuerySchema>;
