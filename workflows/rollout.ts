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
import type {
  EndpointRollbackInput,
  EndpointRollbackResult,
  OpenedRollout,
  Request,
  RolloutInput,
  RolloutPosition,
  RolloutResult,
} from "../contracts/messages.ts";
import { UPDATES } from "../contracts/names.ts";
import { closing, control, watching } from "./activity-options.ts";
import { remembered } from "./remember.ts";

const pauseUpdate = defineUpdate<void, [Request]>(UPDATES.pause);
const resumeUpdate = defineUpdate<void, [Request]>(UPDATES.resume);
const rollbackUpdate = defineUpdate<void, [Request]>(UPDATES.rollback);

/** What people asked for while the rollout runs. */
interface Wishes {
  paused: boolean;
  rollback: Request | null;
  /** From then on the rollout's end is decided, and a rollback would be promised in vain. */
  ending: RolloutResult["status"] | null;
}

/** Where a continued run goes on, a pause included. */
type Continued = RolloutInput & { readonly paused?: boolean };

/**
 * One version's way onto one endpoint: ramp, look, and promote or roll back. One writer per endpoint: the workflow id is the
 * endpoint's. Nobody but this run renews the canary's lease, so when it dies the gateways return to the champion by themselves.
 */
export async function canaryRollout(input: Continued): Promise<RolloutResult> {
  const wishes: Wishes = { paused: input.paused ?? false, rollback: null, ending: null };
  const ramp = new CancellationScope();

  const subject = `rollout/${input.rolloutId}`;
  setHandler(
    pauseUpdate,
    remembered(subject, "pause", () => {
      wishes.paused = true;
    }),
  );
  setHandler(
    resumeUpdate,
    remembered(subject, "resume", () => {
      wishes.paused = false;
    }),
  );
  setHandler(
    rollbackUpdate,
    remembered(subject, "rollback", (request) => {
      // While it was remembered the end may have been decided.
      if (wishes.ending) throw justEnded(input.rolloutId, wishes.ending);
      wishes.rollback = request;
      ramp.cancel();
    }),
    {
      validator: (request) => {
        const { rollback, ending } = wishes;
        if (rollback) throw busy(`${rollback.by} is rolling back already; ${request.by} need not`);
        if (ending) throw justEnded(input.rolloutId, ending);
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
      const result = await closing.closeRollout({
        rolloutId,
        status: stopped ? "aborted" : "rolled-back",
        reason: wishes.rollback ? `${wishes.rollback.by}: ${wishes.rollback.reason}` : innermost(thrown),
      });
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

const justEnded = (rolloutId: string, status: string) =>
  busy(`rollout ${rolloutId} just ended as ${status}; ask again to restore the former champion`);

const busy = (message: string) => ApplicationFailure.nonRetryable(message, "ENDPOINT_BUSY");

async function climb(input: RolloutInput, wishes: Wishes): Promise<RolloutResult> {
  const { rolloutId } = input;
  const close = (status: RolloutResult["status"], reason: string) => {
    wishes.ending = status;
    return closing.closeRollout({ rolloutId, status, reason });
  };
  const rollout = await control.openRollout(input);
  if (!rollout.hasChampion) {
    const reason = "first version on this endpoint: there is no champion to compare with";
    return close("promoted", reason);
  }

  const start = input.resume ?? { step: 0, lookCount: 0, deadlineAt: Date.now() + rollout.deadlineMs };
  let lookCount = start.lookCount;
  for (let step = start.step; step < rollout.stepCount; step += 1) {
    await control.shiftTraffic({ rolloutId, step });
    await watching.confirmTraffic({ rolloutId });
    for (;;) {
      await wait(rollout, wishes, async () => {
        await control.renewRolloutLease({ rolloutId });
        await continueWhenLong(input, wishes, { step, lookCount, deadlineAt: start.deadlineAt });
      });
      lookCount += 1;
      const look = await control.lookAtRollout({ rolloutId, step, number: lookCount });
      if (look.verdict === "rollback") return close("rolled-back", look.reason);
      if (look.verdict === "promote") return close("promoted", look.reason);
      if (look.stepDone && step < rollout.stepCount - 1) break;
      if (Date.now() > start.deadlineAt && rollout.onDeadline === "rollback") {
        return close("rolled-back", `the deadline passed without a verdict: ${look.reason}`);
      }
      await continueWhenLong(input, wishes, { step, lookCount, deadlineAt: start.deadlineAt });
    }
  }
  throw ApplicationFailure.nonRetryable("a rollout plan has at least one step", "INPUT_INVALID");
}

/** Until the next look; while paused the canary keeps its share, so its lease is renewed. */
async function wait(rollout: OpenedRollout, wishes: Wishes, renew: () => Promise<void>): Promise<void> {
  await sleep(rollout.lookIntervalMs);
  while (wishes.paused) {
    await renew();
    await condition(() => !wishes.paused, rollout.lookIntervalMs);
  }
}

/** Days of looks outgrow one history; the evidence lives in Postgres, so only the position travels on. */
async function continueWhenLong(input: RolloutInput, { paused }: Wishes, resume: RolloutPosition): Promise<void> {
  if (!workflowInfo().continueAsNewSuggested) return;
  await condition(allHandlersFinished);
  await continueAsNew<typeof canaryRollout>({ ...input, resume, paused });
}

function innermost(thrown: TemporalFailure): string {
  if (isCancellation(thrown)) return "cancelled";
  return thrown.cause?.message ?? thrown.message;
}
