import type { RolloutLook, RolloutPlan } from "../../contracts/rollout.ts";
import { expectHealthy } from "./plan-duration.ts";
import { planTraffic } from "./planned-traffic.ts";

/**
 * How long a healthy canary typically takes to its promotion by this plan, from the rollout's start, at the traffic and the champion's
 * rates that a look of its ramp has counted. Null while nothing is counted, and where it never comes.
 * @param elapsedMs from the rollout's start to the look
 */
export function expectedPromotionMs(plan: RolloutPlan, look: RolloutLook, elapsedMs: number): number | null {
  const total = (arm: "champion" | "canary", of: "requests" | "errors" | "slow" | "labelled" | "wrong") =>
    look.counts.reduce((sum, counts) => sum + counts[of][arm], 0);
  const championRequests = total("champion", "requests");
  const requests = championRequests + total("canary", "requests");
  if (requests === 0 || elapsedMs <= 0) return null;
  const { traffic } = planTraffic(plan, {
    coveredMs: elapsedMs,
    requests,
    championRequests,
    errors: total("champion", "errors"),
    aboveFloor: total("champion", "slow"),
    labelDue: championRequests,
    labelled: total("champion", "labelled"),
    wrong: total("champion", "wrong"),
    labelDelayMs: null,
  });
  const { verdict, typicalMs } = expectHealthy(plan, traffic);
  return verdict === "promote" ? typicalMs : null;
}
