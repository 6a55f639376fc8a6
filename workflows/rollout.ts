import {
  CancellationScope,
  TemporalFailure,
  allHandlersFinished,
  condition,
  isCancellation,
} from "@temporalio/workflow";
import type {
  EndpointRollbackInput,
  EndpointRollbackResult,
  Request,
  RolloutEnd,
  RolloutResult,
} from "../contracts/messages.ts";
import { control } from "./activity-options.ts";
import { climb, withdrawAndClose } from "./rollout-phases.ts";
import { listen, nothingAsked, type Asked, type Continued, type Wishes } from "./rollout-requests.ts";

/**
 * One version's way onto one endpoint: ramp, look, and promote or roll back. One writer per endpoint: the workflow id is the
 * endpoint's. Nobody but this run renews the canary's lease, so when it dies the gateways return to the champion by themselves.
 */
export async function canaryRollout(input: Continued): Promise<RolloutResult> {
  const { paused, pinned, change, shareChanges, promote } = { ...nothingAsked, ...input };
  const asked: Asked = { paused, pinned, change, shareChanges, promote };
  const wishes: Wishes = { ...asked, rollback: null, lookSoon: false, rollbacksChecked: 0, ramp: null, ending: null };
  const ramp = new CancellationScope();
  const { rolloutId } = input;
  listen(input, wishes, () => ramp.cancel());

  try {
    const result = await ramp.run(() => climb(input, wishes));
    await condition(allHandlersFinished);
    return result;
  } catch (thrown) {
    if (!(thrown instanceof TemporalFailure)) throw thrown;
    // Traffic first, whatever happened: back to the champion even while everything else fails.
    return await CancellationScope.nonCancellable(async () => {
      const stopped = isCancellation(thrown);
      const status = stopped ? "aborted" : "rolled-back";
      const result = await withdrawAndClose(input, { rolloutId, status, ...why(wishes.rollback, thrown) });
      await condition(allHandlersFinished);
      // The first recorded end stands: a promotion whose answer got lost is a promotion.
      if (!stopped && result.status !== "promoted") throw thrown;
      return result;
    });
  }
}

/** Back to the endpoint's former champion after a promotion. Runs under the endpoint's workflow id: one writer. */
export async function endpointRollback(input: EndpointRollbackInput): Promise<EndpointRollbackResult> {
  return control.restoreFormerChampion(input);
}

/** Why traffic goes back: because somebody said so, or what failed. */
function why(asked: Request | null, thrown: TemporalFailure): Pick<RolloutEnd, "reason" | "hand"> {
  if (!asked) return { reason: innermost(thrown) };
  const { by, reason } = asked;
  return { reason: `${by}: ${reason}`, hand: { by, reason } };
}

function innermost(thrown: TemporalFailure): string {
  if (isCancellation(thrown)) return "cancelled";
  return thrown.cause?.message ?? thrown.message;
}
