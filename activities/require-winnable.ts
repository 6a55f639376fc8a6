import { Failure } from "../contracts/failures.ts";
import type { RolloutPlan } from "../contracts/rollout.ts";
import { concludes, expectHealthy } from "../core/rollout/plan-duration.ts";
import { planRemedies } from "../core/rollout/plan-remedies.ts";
import { describeDeadline, describeNeed, describeRemedies } from "../core/rollout/plan-sentences.ts";
import { latencyFloor, planTraffic } from "../core/rollout/planned-traffic.ts";
import type { Database } from "../db/client.ts";
import { observeTraffic } from "../db/queries/traffic.ts";

/**
 * Refuses a plan that at the endpoint's past traffic would run into its deadline with a healthy canary: everybody would wait for a
 * rollback that says nothing. The past is as long as the deadline; an endpoint that is younger has shown too little to refuse anything.
 * @throws PLAN_CANNOT_CONCLUDE
 */
export async function requireWinnable(
  database: Database,
  { endpoint, champion, plan }: { readonly endpoint: string; readonly champion: string; readonly plan: RolloutPlan },
): Promise<void> {
  if (plan.onUnwinnable === "start") return;
  const windowMs = plan.deadlineMs;
  const observed = await observeTraffic(database, { endpoint, champion, windowMs, latencyFloorMs: latencyFloor(plan) });
  if (observed.coveredMs < windowMs) return;
  const { traffic } = planTraffic(plan, observed);
  const expectation = expectHealthy(plan, traffic);
  if (concludes(plan, expectation)) return;
  throw new Failure("PLAN_CANNOT_CONCLUDE", {
    endpoint,
    found: describeNeed(expectation, traffic),
    allowed: describeDeadline(plan),
    wayOut: describeRemedies(planRemedies(plan, traffic)),
  });
}
