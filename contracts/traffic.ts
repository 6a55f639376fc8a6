import { z } from "zod";
import { shareSchema } from "./primitives.ts";

/** What an endpoint's clients do and how often its champion fails them: what the duration of a rollout depends on. */
export const trafficSchema = z.strictObject({
  /** All arms together. */
  requestsPerSecond: z.number().min(0).max(1e6),
  /** Of the champion's requests: answered with an error, ... */
  errorShare: shareSchema,
  /** ... slower than the latency guardrail's threshold, ... */
  slowShare: shareSchema,
  /** ... and of those with a label: decided wrongly. */
  wrongShare: shareSchema,
  /** Share of requests whose label comes at all, and how long it takes. */
  labelledShare: shareSchema,
  labelDelayMs: z.int().min(0),
});
export type Traffic = z.output<typeof trafficSchema>;

/** Counts of an endpoint's log over a past time that ends now. */
export interface ObservedTraffic {
  /** How much of the asked time the endpoint existed. */
  readonly coveredMs: number;
  /** Of all arms, assigned by the shares. */
  readonly requests: number;
  /** The present champion's requests and, of them, ... */
  readonly championRequests: number;
  readonly errors: number;
  /** ... above the latency guardrail's floor. */
  readonly aboveFloor: number;
  /** Requests of the champion old enough to have their label, and those that have it. */
  readonly labelDue: number;
  readonly labelled: number;
  readonly wrong: number;
  /** Median time from answer to label; null without a label. */
  readonly labelDelayMs: number | null;
}
