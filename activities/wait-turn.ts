import { Failure } from "../contracts/failures.ts";
import type { RolloutInput, Turn } from "../contracts/messages.ts";
import { findRunningRollout } from "../db/queries/rollout.ts";
import { endTurn, newestTurn, takeTurn } from "../db/queries/rollout-turn.ts";
import type { Dependencies } from "./dependencies.ts";
import { requireDeployable } from "./open-rollout.ts";

/**
 * What becomes of a rollout whose endpoint is taken: the plan of the one that runs says. In a queue those go first that came
 * first; where the newest replaces, one that came before it gives up. What may not be deployed waits for nothing and replaces nothing.
 * @throws ENDPOINT_BUSY; whatever `requireDeployable` refuses
 */
export async function waitTurn(dependencies: Dependencies, input: RolloutInput): Promise<Turn> {
  const { database } = dependencies;
  const { rolloutId, endpoint } = input;
  await requireDeployable(dependencies, input);
  const running = await findRunningRollout(database, endpoint);
  // Whoever gives up keeps nobody behind it waiting.
  const busy = async (rollout: string) => {
    await endTurn(database, rolloutId);
    return new Failure("ENDPOINT_BUSY", { endpoint, rollout });
  };
  const way = running?.plan.onNewCandidate ?? "reject";
  // Where nobody runs, one just ended or is about to open: whoever waited goes on waiting.
  if (running && way === "reject") throw await busy(running.id);
  const before = await takeTurn(database, { id: rolloutId, endpoint });
  if (way !== "replace") return { mayStart: running === null && before.length === 0 };
  const newest = await newestTurn(database, { endpoint, except: rolloutId });
  if (newest !== null && !before.includes(newest)) throw await busy(newest);
  return { mayStart: false };
}

/** It waits no more, and keeps nobody behind it waiting. */
export async function leaveTurn(
  { database }: Dependencies,
  { rolloutId }: { readonly rolloutId: string },
): Promise<void> {
  await endTurn(database, rolloutId);
}
