import {
  ApplicationFailure,
  CancellationScope,
  TemporalFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineUpdate,
  isCancellation,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import type { EndpointRollbackInput, EndpointRollbackResult, OpenedRollout, Request, RolloutInput, RolloutPosition, RolloutResult } from "../contracts/messages.ts";
import { UPDATES } from "../contracts/names.ts";
import { control } from "./activity-options.ts";

export const pauseUpdate = defineUpdate<void, [Request]>(UPDATES.pause);
export const resumeUpdate = defineUpdate<void, [Request]>(UPDATES.resume);
export const rollbackUpdate = defineUpdate<void, [Request]>(UPDATES.rollback);

/** What people asked for while the rollout runs. */
interface Wishes {
  paused: boolean;
  rollback: Request | null;
}

/**
 * One version's way onto one endpoint: ramp, look, and promote or roll back. One writer per endpoint: the workflow id is the
 * endpoint's. Nobody but this run renews the canary's lease, so when it dies the gateways return to the champion by themselves.
 */
export async function canaryRollout(input: RolloutInput): Promise<RolloutResult> {
  const wishes: Wishes = { paused: false, rollback: null };
  const ramp = new CancellationScope();

  setHandler(pauseUpdate, () => {
    wishes.paused = true;
  });
  setHandler(resumeUpdate, () => {
    wishes.paused = false;
  });
  setHandler(
    rollbackUpdate,
    (request) => {
      wishes.rollback = request;
      ramp.cancel();
    },
    {
      validator: (request) => {
        if (!wishes.rollback) return;
        const message = `${wishes.rollback.by} is rolling back already; ${request.by} need not`;
        throw ApplicationFailure.nonRetryable(message, "ENDPOINT_BUSY");
      },
    },
  );

  const { rolloutId } = input;
  try {
    const result = await ramp.run(() => climb(input, wishes));
    await condition(allHandlersFinished);
    return result;
  } catch (thrown) {
    if (!(thrown instanceof TemporalFailure)) throw thrown;
    // Traffic first, whatever happened: back to the champion even while everything else fails.
    return await CancellationScope.nonCancellable(async () => {
      const stopped = isCancellation(thrown);
      const result = await control.closeRollout({
        rolloutId,
        status: stopped ? "aborted" : "rolled-back",
        reason: wishes.rollback ? `${wishes.rollback.by}: ${wishes.rollback.reason}` : innermost(thrown),
      });
      await condition(allHandlersFinished);
      if (!stopped) throw thrown;
      return result;
    });
  }
}

/** Back to the endpoint's former champion after a promotion. Runs under the endpoint's workflow id: one writer. */
export async function endpointRollback(input: EndpointRollbackInput): Promise<EndpointRollbackResult> {
  return control.restoreFormerChampion(input);
}

async function climb(input: RolloutInput, wishes: Wishes): Promise<RolloutResult> {
  const { rolloutId } = input;
  const rollout = await control.openRollout(input);
  if (!rollout.hasChampion) {
    const reason = "first version on this endpoint: there is no champion to compare with";
    return control.closeRollout({ rolloutId, status: "promoted", reason });
  }

  const start = input.resume ?? { step: 0, lookCount: 0, deadlineAt: Date.now() + rollout.deadlineMs };
  let lookCount = start.lookCount;
  for (let step = start.step; step < rollout.stepCount; step += 1) {
    await control.shiftTraffic({ rolloutId, step });
    await control.confirmTraffic({ rolloutId });
    for (;;) {
      await wait(rolloutId, rollout, wishes);
      lookCount += 1;
      const look = await control.lookAtRollout({ rolloutId, step, number: lookCount });
      if (look.verdict === "rollback")
        return control.closeRollout({ rolloutId, status: "rolled-back", reason: look.reason });
      if (look.verdict === "promote")
        return control.closeRollout({ rolloutId, status: "promoted", reason: look.reason });
      if (look.stepDone && step < rollout.stepCount - 1) break;
      if (Date.now() > start.deadlineAt && rollout.onDeadline === "rollback") {
        const reason = `the deadline passed without a verdict: ${look.reason}`;
        return control.closeRollout({ rolloutId, status: "rolled-back", reason });
      }
      await continueWhenLong(input, { step, lookCount, deadlineAt: start.deadlineAt });
    }
  }
  throw ApplicationFailure.nonRetryable("a rollout plan has at least one step", "INPUT_INVALID");
}

/** Until the next look; while paused the canary keeps its share, so its lease is renewed. */
async function wait(rolloutId: string, rollout: OpenedRollout, wishes: Wishes): Promise<void> {
  await sleep(rollout.lookIntervalMs);
  while (wishes.paused) {
    await control.renewRolloutLease({ rolloutId });
    await condition(() => !wishes.paused, rollout.lookIntervalMs);
  }
}

/** Days of looks outgrow one history; the evidence lives in Postgres, so only the position travels on. */
async function continueWhenLong(input: RolloutInput, resume: RolloutPosition): Promise<void> {
  if (!workflowInfo().continueAsNewSuggested) return;
  await condition(allHandlersFinished);
  await continueAsNew<typeof canaryRollout>({ ...input, resume });
}

function innermost(thrown: TemporalFailure): string {
  if (isCancellation(thrown)) return "cancelled";
  return thrown.cause?.message ?? thrown.message;
}
