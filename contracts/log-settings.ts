import { z } from "zod";

/** What is kept of one column of the requests. */
export const fieldRuleSchema = z.discriminatedUnion("keep", [
  /** The value as it came. */
  z.strictObject({ keep: z.literal("allow") }),
  /** A salted hash: equal values stay equal, and nobody without the salt finds out which they were. */
  z.strictObject({ keep: z.literal("hash") }),
  /** The number of the range a number falls into, 0 for those below the first edge; an edge belongs to the range above it. */
  z.strictObject({
    keep: z.literal("bucket"),
    edges: z
      .array(z.number())
      .min(1)
      .max(100)
      .refine(
        (edges) => edges.every((edge, index) => index === 0 || edge > (edges[index - 1] ?? edge)),
        "edges must rise",
      ),
  }),
  z.strictObject({ keep: z.literal("drop") }),
]);
export type FieldRule = z.output<typeof fieldRuleSchema>;

/** What gateways keep of an endpoint's requests; counts are kept in any case. */
export const logSettingsSchema = z.strictObject({
  /** Share of requests whose rows are kept, chosen by a hash of their id: the same ones on every gateway. */
  sampleShare: z.number().gt(0).max(1).default(1),
  /**
   * Columns of the signature that are kept with each row. Without it none is; with it, numbers that are not named are kept as they
   * came, and text and tensors are not.
   */
  fields: z.record(z.string().min(1), fieldRuleSchema).optional(),
});
export type LogSettings = z.output<typeof logSettingsSchema>;

/** How many days (UTC) of the log are kept besides today's. */
export const retentionDaysSchema = z.int().min(1).max(36_500);
