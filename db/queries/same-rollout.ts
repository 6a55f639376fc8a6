import { aliasedTable, and, desc, eq, inArray } from "drizzle-orm";

import type { RolloutPlan } from "../../contracts/rollout.ts";
import { digestOf } from "../canonical.ts";
import type { Queryable } from "../client.ts";
import { modelVersion } from "../schema/model.ts";
import { rollout } from "../schema/rollout.ts";
import type { ModelVersion } from "./model.ts";
import type { Rollout } from "./rollout.ts";

export interface SameQuestion {
  readonly endpoint: string;
  readonly champion: Pick<ModelVersion, "id">;
  /** The candidate; another version of the same bytes is the same candidate. */
  readonly version: Pick<ModelVersion, "artifact">;
  /** Before anything of it is frozen. */
  readonly asked: RolloutPlan;
}

/**
 * The newest rollout that ended without a promotion, of the same bytes against the same champion by the same plan, or null: its evidence goes on. A rerun is no fresh
 * luck for a candidate that was found harmful, and one that ran out of time has not to begin again. What was frozen then, as the
 * ranges of predictions, is no difference of the plans.
 */
export async function findSameRollout(db: Queryable, wanted: SameQuestion): Promise<Rollout | null> {
  const candidate = aliasedTable(modelVersion, "candidate");
  const found = await db
    .select({ rollout })
    .from(rollout)
    .innerJoin(candidate, eq(candidate.id, rollout.canaryVersion))
    .where(
      and(
        eq(rollout.endpoint, wanted.endpoint),
        eq(rollout.championVersion, wanted.champion.id),
        eq(candidate.artifact, wanted.version.artifact),
        inArray(rollout.status, ["rolled-back", "aborted"]),
      ),
    )
    .orderBy(desc(rollout.startedAt))
    .limit(50);
  const asked = digestOf(wanted.asked);
  return found.find((one) => digestOf(thawed(one.rollout.plan, wanted.asked)) === asked)?.rollout ?? null;
}

/** The plan without the ranges that were frozen in it, where whoever asks now names none either. */
function thawed(plan: RolloutPlan, asked: RolloutPlan): RolloutPlan {
  const named = asked.guardrails.some((one) => one.name === "prediction-shift" && one.edges);
  if (named) return plan;
  const guardrails = plan.guardrails.map((one) => {
    if (one.name !== "prediction-shift") return one;
    const { edges: _, ...rest } = one;
    return rest;
  });
  return { ...plan, guardrails };
}
