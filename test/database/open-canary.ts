import type { RolloutPlan } from "../../contracts/rollout.ts";
import type { Database } from "../../db/client.ts";
import { advanceEpoch } from "../../db/queries/advance-epoch.ts";
import { startRollout } from "../../db/queries/rollout.ts";
import { audited } from "../support/audited.ts";
import { addEndpoint, addVersion } from "./sample.ts";

/** An endpoint under its rollout's id, and the ids of the versions behind it. */
export interface OpenCanary {
  readonly endpoint: string;
  readonly champion: string;
  readonly canary: string;
}

export interface CanaryRequest {
  readonly endpoint: string;
  readonly plan: RolloutPlan;
  readonly latencyThresholdMs: number;
  readonly lifecycle?: string | null;
}

/** An endpoint with a canary at 5 % in epoch 2 and at 25 % in epoch 3. */
export async function openCanary(
  db: Database,
  { endpoint, plan, latencyThresholdMs, lifecycle = null }: CanaryRequest,
): Promise<OpenCanary> {
  const { id: champion } = await addVersion(db, endpoint, `${endpoint} one`);
  const { id: canary } = await addVersion(db, endpoint, `${endpoint} two`);
  await addEndpoint(db, endpoint, endpoint, "staging");
  const advance = (expectedEpoch: number, canaryShare: number) =>
    audited(db).transaction((tx) =>
      advanceEpoch(tx, {
        endpoint,
        expectedEpoch,
        championVersion: champion,
        canaryVersion: canaryShare > 0 ? canary : null,
        canaryShare,
        salt: "s",
        rollout: canaryShare > 0 ? endpoint : null,
        reason: "",
        createdBy: "ada",
        leaseMs: 1000,
      }),
    );
  await advance(0, 0);
  const versions = { championVersion: champion, canaryVersion: canary };
  await audited(db).transaction((tx) =>
    startRollout(tx, { id: endpoint, endpoint, lifecycle, plan, ...versions, latencyThresholdMs, startedBy: "ada" }),
  );
  await advance(1, 500);
  await advance(2, 2500);
  return { endpoint, champion, canary };
}
