import { z } from "zod";
import { BASIS_POINTS, GUARDRAILS, ROLLOUT_ALARMS, ROLLOUT_VERDICTS } from "./names.ts";
import { digestSchema, milliseconds, shareSchema } from "./primitives.ts";

export const guardrailSchema = z.discriminatedUnion("name", [
  z.strictObject({
    name: z.literal("error-rate"),
    /** Promotion needs evidence that the canary's error rate is below this; it is also the rollback level. */
    atMost: shareSchema.default(0.01),
  }),
  z.strictObject({
    name: z.literal("latency"),
    /** A slow request takes longer than the champion's own quantile, frozen before the canary starts ... */
    quantile: z.number().gt(0.5).lt(1).default(0.95),
    /** ... but never counted as slow below this floor, so that noise of microseconds is no harm. */
    floorMs: z.number().min(0).default(5),
    /** Promotion needs evidence that the rate of slow requests is less than this factor times the champion's, or times 1 - quantile. */
    maximumRatio: z.number().gt(1).default(2),
  }),
  z.strictObject({
    name: z.literal("wrong-label-rate"),
    /** Promotion needs evidence that the rate of wrong decisions grew by less than this factor. */
    maximumRatio: z.number().gt(1).default(1.2),
  }),
  z.strictObject({
    name: z.literal("prediction-shift"),
    /** Harm is evidence that some range of predictions is more than this factor more or less frequent in the canary; promotion needs evidence that none is. */
    maximumRatio: z.number().gt(1).default(2),
    /** Where the ranges of the score part, rising. By default the champion's own deciles, frozen before the canary starts. */
    edges: z
      .array(z.number())
      .min(1)
      .max(50)
      .refine(
        (edges) => edges.every((edge, index) => index === 0 || edge > (edges[index - 1] ?? edge)),
        "edges must rise",
      )
      .optional(),
  }),
]);
export type GuardrailSettings = z.output<typeof guardrailSchema>;

export const rolloutPlanSchema = z
  .strictObject({
    /** Canary shares in basis points, rising; 10 000 is reached by promotion and not listed. */
    steps: z
      .array(
        z
          .int()
          .min(1)
          .max(BASIS_POINTS - 1),
      )
      .min(1)
      .default([500, 2500, 5000]),
    /** Canary requests a step needs before the next one. */
    minimumRequestsPerStep: z.int().min(1).default(200),
    guardrails: z
      .array(guardrailSchema)
      .min(1)
      .default([
        { name: "error-rate", atMost: 0.01 },
        { name: "latency", quantile: 0.95, floorMs: 5, maximumRatio: 2 },
        { name: "wrong-label-rate", maximumRatio: 1.2 },
      ]),
    /** A healthy canary is rolled back at most this often, however often we look. */
    falseRollbackRate: z.number().gt(0).lt(0.5).default(0.05),
    /** A canary at the margin is promoted at most this often. */
    falsePromotionRate: z.number().gt(0).lt(0.5).default(0.05),
    lookIntervalMs: milliseconds.default(60_000),
    /** What happens when the evidence is still open then: `onDeadline`. */
    deadlineMs: milliseconds.default(24 * 3600 * 1000),
    onDeadline: z.enum(["rollback", "hold"]).default("rollback"),
    /**
     * A plan that could not end in a promotion before its deadline at the endpoint's past traffic is refused, unless this says `start`.
     * Without a default: a plan that does not say it keeps its digest.
     */
    onUnwinnable: z.enum(["refuse", "start"]).optional(),
    /**
     * Before the ramp: a share of the requests is answered by the candidate too, after the champion's answer was given, and nobody gets that
     * answer. The ramp begins when the answers are shown to agree.
     */
    shadow: z
      .strictObject({
        /** Basis points of the requests that are mirrored. */
        share: z.int().min(1).max(BASIS_POINTS).default(BASIS_POINTS),
        /** Mirrored requests the ramp waits for. */
        minimumRequests: z.int().min(1).default(200),
        /** The ramp needs evidence that fewer requests than this are decided otherwise by the candidate; more is harm. */
        maximumDisagreement: shareSchema.default(0.1),
      })
      .optional(),
    /** The last step takes at least this long, however soon safety is shown: harm that comes slowly has time to show. */
    bakeMs: milliseconds.optional(),
    /** After the promotion the former champion is kept warm this long: going back is one epoch and loads nothing. */
    observeMs: milliseconds.optional(),
    /**
     * What a new candidate finds that comes while this rollout runs: it is refused, waits for its turn, or takes the place: then this one
     * goes back to the champion first. `reject` where nothing is said.
     */
    onNewCandidate: z.enum(["reject", "queue", "replace"]).optional(),
    /** A canary's share is valid only this long without renewal; then gateways return to the champion by themselves. */
    leaseMs: milliseconds.default(180_000),
  })
  .refine(
    (plan) => plan.steps.every((share, index) => index === 0 || share > (plan.steps[index - 1] ?? 0)),
    "steps must rise",
  )
  .refine((plan) => (plan.bakeMs ?? 0) < plan.deadlineMs, {
    path: ["bakeMs"],
    message: "the last step cannot last as long as the whole rollout may",
  })
  .refine((plan) => plan.leaseMs >= 2 * plan.lookIntervalMs, {
    path: ["leaseMs"],
    message: "the lease must last at least two looks, or the canary loses its share between them",
  });
export type RolloutPlan = z.output<typeof rolloutPlanSchema>;

/** What became of mirrored requests, cumulative. */
export const shadowCountsSchema = z.strictObject({
  /** Sent to the candidate; those it has not answered yet are in none of the others. */
  mirrored: z.int().min(0),
  /** Not sent, because too many were under way: mirroring is the first thing load takes away. */
  shed: z.int().min(0),
  /** The candidate answered with an error where the champion had not. */
  errors: z.int().min(0),
  /** Both answered; counted by the first row of the request. */
  compared: z.int().min(0),
  /** Of those, decided otherwise. */
  disagreed: z.int().min(0),
  /** Of those, sum and largest of the absolute differences of the scores. */
  scoreDifferenceSum: z.number().min(0),
  scoreDifferenceMaximum: z.number().min(0),
});
export type ShadowCounts = z.output<typeof shadowCountsSchema>;

/** What a look at mirrored requests found; each rate against a level of its own. */
const shadowLookSchema = z.strictObject({
  counts: shadowCountsSchema,
  judged: z.array(
    z.strictObject({
      name: z.enum(["disagreement", "errors"]),
      events: z.int(),
      trials: z.int(),
      atMost: z.number(),
      harmEvidence: z.number(),
      harmBound: z.number(),
      safetyEvidence: z.number(),
      safetyBound: z.number(),
    }),
  ),
});
export type ShadowLook = z.output<typeof shadowLookSchema>;

export const armCountsSchema = z.strictObject({ champion: z.int().min(0), canary: z.int().min(0) });
export type ArmCounts = z.output<typeof armCountsSchema>;

/**
 * Cumulative counts of one routing epoch; the share was constant in it. Counted are units: the first request of each routing key in
 * the epoch, and every request without one.
 */
export const epochCountsSchema = z.strictObject({
  epoch: z.int(),
  canaryShare: shareSchema,
  /**
   * Keys which the champion had at this share of an earlier epoch of the rollout; absent for new ones. Assignment is sticky, so
   * their chance of the canary is smaller now. An epoch has one entry for each such share.
   */
  keptAtShare: shareSchema.optional(),
  requests: armCountsSchema,
  errors: armCountsSchema,
  slow: armCountsSchema,
  labelled: armCountsSchema,
  wrong: armCountsSchema,
  /** Answers by range of their prediction, lowest first; absent unless a guardrail asks for it. */
  ranges: z.array(armCountsSchema).optional(),
});
export type EpochCounts = z.output<typeof epochCountsSchema>;

export const guardrailLookSchema = z.strictObject({
  name: z.enum(GUARDRAILS),
  canaryEvents: z.int(),
  canaryTrials: z.int(),
  championEvents: z.int(),
  championTrials: z.int(),
  /** Rate in the canary over rate in the champion; null while undefined. */
  ratio: z.number().nullable(),
  /** e-value against "not worse"; rollback at `harmBound`. */
  harmEvidence: z.number(),
  harmBound: z.number(),
  /** e-value against "worse than the margin"; promotion at `safetyBound`. */
  safetyEvidence: z.number(),
  safetyBound: z.number(),
});
export type GuardrailLook = z.output<typeof guardrailLookSchema>;

/** How the canary fares right now, apart from any statistics. What nobody observed is absent. */
export const canaryHealthSchema = z.strictObject({
  /** Its newest requests, each row of them, whoever asked: `TRIPWIRE_REQUESTS`, or those of the newest minutes that have as many. */
  newest: z.strictObject({ requests: z.int().min(0), errors: z.int().min(0) }),
  /** By live gateway: what it saw of the canary's model process. */
  gateways: z
    .array(
      z.strictObject({
        gateway: z.string(),
        /** Times the process ended by itself in the last ten minutes. */
        exits: z.int().min(0),
        /** How long it has not been ready after it once was; 0 while it is. */
        unreadyMs: z.int().min(0),
        /** Answers whose tensors were not those of the version's signature. */
        schemaMismatches: z.int().min(0),
      }),
    )
    .optional(),
});
export type CanaryHealth = z.output<typeof canaryHealthSchema>;

/** What a look was judged by besides its counts; the plan itself is with the rollout, under this digest. */
const lookBasisSchema = z.strictObject({
  planDigest: digestSchema,
  /** Above it a request was counted as slow. */
  latencyThresholdMs: z.number().nullable(),
  firstDeployment: z.boolean(),
});

/** One look of the judge: a pure function of the plan and the counts, so that anyone recomputes it. */
export const rolloutLookSchema = z.strictObject({
  verdict: z.enum(ROLLOUT_VERDICTS),
  reason: z.string(),
  /** Before the ramp and after the promotion; absent in the ramp. */
  phase: z.enum(["shadow", "observe"]).optional(),
  /** Of a look at the shadow phase. */
  shadow: shadowLookSchema.optional(),
  /** Index into `plan.steps`. */
  step: z.int(),
  /** True when this step has what the next one needs. */
  stepDone: z.boolean(),
  guardrails: z.array(guardrailLookSchema),
  /** e-value against "requests were split as intended"; evidence is not used above 1000. */
  sampleRatioEvidence: z.number(),
  /** e-value against "labels came for both arms alike"; absent where no guardrail uses labels. */
  labelRatioEvidence: z.number().optional(),
  /** What somebody is paged about; absent when nothing. */
  alarms: z.array(z.enum(ROLLOUT_ALARMS)).min(1).optional(),
  counts: z.array(epochCountsSchema),
  /** What the tripwires were judged by; absent where only the counts were. */
  health: canaryHealthSchema.optional(),
  /** Absent from looks of the first release and from those not yet recorded. */
  basis: lookBasisSchema.optional(),
});
export type RolloutLook = z.output<typeof rolloutLookSchema>;
