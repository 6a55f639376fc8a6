import type { GuardrailSettings, RolloutPlan } from "../../contracts/rollout.ts";
import type { ObservedTraffic, Traffic } from "../../contracts/traffic.ts";

/** Fewer of the champion's requests than this say nothing about its rates. */
const ENOUGH_REQUESTS = 100;

/** Where a number of the traffic comes from; people must see what was only assumed. */
export type TrafficSource = "given" | "observed" | "assumed";

export interface PlannedTraffic {
  readonly traffic: Traffic;
  readonly sources: { readonly [Field in keyof Traffic]: TrafficSource };
}

/**
 * The traffic a rollout is planned for: what was given, else what the log shows, else assumptions that most endpoints meet: a tenth of the
 * allowed errors, 1 - quantile slow requests, one wrong decision in five, and a label for every request at once.
 * Without a label in a log that is shorter than the deadline nothing is known about labels: they may just take longer.
 */
export function planTraffic(
  plan: RolloutPlan,
  observed: ObservedTraffic | null,
  given: Partial<Traffic> = {},
): PlannedTraffic {
  const seen = observed ? fromLog(plan, observed) : {};
  const assumed = assumeTraffic(plan);
  const sourceOf = (field: keyof Traffic): TrafficSource =>
    given[field] !== undefined ? "given" : seen[field] !== undefined ? "observed" : "assumed";
  return {
    traffic: { ...assumed, ...defined(seen), ...defined(given) },
    sources: {
      requestsPerSecond: sourceOf("requestsPerSecond"),
      errorShare: sourceOf("errorShare"),
      slowShare: sourceOf("slowShare"),
      wrongShare: sourceOf("wrongShare"),
      labelledShare: sourceOf("labelledShare"),
      labelDelayMs: sourceOf("labelDelayMs"),
    },
  };
}

function fromLog(plan: RolloutPlan, seen: ObservedTraffic): Partial<Traffic> {
  const rate = seen.coveredMs > 0 ? { requestsPerSecond: seen.requests / (seen.coveredMs / 1000) } : {};
  if (seen.championRequests < ENOUGH_REQUESTS) return rate;
  const quantile = settingsOf(plan, "latency")?.quantile ?? 1;
  return {
    ...rate,
    errorShare: seen.errors / seen.championRequests,
    // The threshold will be the champion's own quantile or the floor, whichever is higher.
    slowShare: Math.min(1 - quantile, seen.aboveFloor / seen.championRequests),
    ...(seen.labelled >= ENOUGH_REQUESTS && { wrongShare: seen.wrong / seen.labelled }),
    ...((seen.labelled > 0 || seen.coveredMs >= plan.deadlineMs) && {
      labelledShare: seen.labelDue === 0 ? 0 : seen.labelled / seen.labelDue,
      labelDelayMs: Math.round(seen.labelDelayMs ?? 0),
    }),
  };
}

function assumeTraffic(plan: RolloutPlan): Traffic {
  return {
    requestsPerSecond: 0,
    errorShare: (settingsOf(plan, "error-rate")?.atMost ?? 0.01) / 10,
    slowShare: 1 - (settingsOf(plan, "latency")?.quantile ?? 0.95),
    wrongShare: 0.2,
    labelledShare: 1,
    labelDelayMs: 0,
  };
}

/** Above it a request may be slow; whatever a plan without a latency guardrail calls so counts for nothing. */
export function latencyFloor(plan: RolloutPlan): number {
  return settingsOf(plan, "latency")?.floorMs ?? 0;
}

function settingsOf<Name extends GuardrailSettings["name"]>(plan: RolloutPlan, name: Name) {
  return plan.guardrails.find((one): one is Extract<GuardrailSettings, { name: Name }> => one.name === name);
}

/** Without the fields that are undefined, which a spread would let win. */
const defined = (traffic: Partial<Traffic>): Partial<Traffic> =>
  Object.fromEntries(Object.entries(traffic).filter(([, value]) => value !== undefined));
