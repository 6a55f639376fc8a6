import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  patched,
  workflowInfo,
} from "@temporalio/workflow";
import type { OpenedRollout, RolloutInput, RolloutPosition, RolloutResult } from "../contracts/messages.ts";
import { closing, control, watching } from "./activity-options.ts";
import type { Asked, Continued, Wishes } from "./rollout-requests.ts";

/** Opens the rollout and gives its canary one share after the other, until a look or somebody ends it. */
export async function climb(input: RolloutInput, wishes: Wishes): Promise<RolloutResult> {
  const { rolloutId } = input;
  const close = (status: RolloutResult["status"], reason: string) => {
    wishes.ending = status;
    const end = { rolloutId, status, reason };
    return status === "promoted" ? closing.closeRollout(end) : withdrawAndClose(end);
  };
  const rollout = await control.openRollout(input);
  if (!rollout.hasChampion) {
    const reason = "first version on this endpoint: there is no champion to compare with";
    return close("promoted", reason);
  }

  const start = input.resume ?? { step: 0, lookCount: 0, deadlineAt: Date.now() + rollout.deadlineMs };
  let lookCount = start.lookCount;
  for (let step = start.step; step < rollout.stepCount; step += 1) {
    if (rollout.steps) wishes.ramp = { steps: rollout.steps, step };
    await control.shiftTraffic({ rolloutId, step });
    await watching.confirmTraffic({ rolloutId });
    for (;;) {
      const position = { step, lookCount, deadlineAt: start.deadlineAt };
      await wait(input, rollout, wishes, position);
      if (wishes.promote) return close("promoted", override(wishes.promote));
      lookCount += 1;
      const look = await control.lookAtRollout({ rolloutId, step, number: lookCount });
      if (look.verdict === "rollback") return close("rolled-back", look.reason);
      // A share set by hand holds the ramp: whoever set it wants neither the next step nor a promotion yet.
      if (!wishes.pinned && look.verdict === "promote") return close("promoted", look.reason);
      if (!wishes.pinned && look.stepDone && step < rollout.stepCount - 1) break;
      if (Date.now() > start.deadlineAt && rollout.onDeadline === "rollback") {
        const why = wishes.pinned ? "while a share set by hand held the ramp" : "without a verdict";
        return close("rolled-back", `the deadline passed ${why}: ${look.reason}`);
      }
      await continueWhenLong(input, wishes, { ...position, lookCount });
    }
  }
  throw ApplicationFailure.nonRetryable("a rollout plan has at least one step", "INPUT_INVALID");
}

const override = ({ by, reason }: { readonly by: string; readonly reason: string }) =>
  `override by ${by}, past the evidence: ${reason}`;

/** Traffic before anything else: what else is recorded of the end cannot keep it waiting. */
export async function withdrawAndClose(end: RolloutResult): Promise<RolloutResult> {
  // Runs of earlier releases close in one step.
  if (patched("withdraw-first")) await closing.withdrawCanary({ rolloutId: end.rolloutId });
  return closing.closeRollout(end);
}

/** Until the next look, or until somebody goes past it; while paused the canary keeps its share, so its lease is renewed. */
async function wait(
  input: RolloutInput,
  rollout: OpenedRollout,
  wishes: Wishes,
  position: RolloutPosition,
): Promise<void> {
  const { rolloutId } = input;
  const isCalled = () => wishes.promote !== null || wishes.change !== null;
  await condition(isCalled, rollout.lookIntervalMs);
  for (;;) {
    await condition(() => wishes.rollbacksChecked === 0);
    if (wishes.promote) return;
    if (wishes.change) await applyChange(rolloutId, wishes, wishes.change);
    else if (!wishes.paused) return;
    else {
      await control.renewRolloutLease({ rolloutId });
      await continueWhenLong(input, wishes, position);
      await condition(() => !wishes.paused || isCalled(), rollout.lookIntervalMs);
    }
  }
}

async function applyChange(rolloutId: string, wishes: Wishes, change: NonNullable<Asked["change"]>): Promise<void> {
  await control.setShare({ rolloutId, ...change });
  await watching.confirmTraffic({ rolloutId });
  if (wishes.change === change) wishes.change = null;
}

/** Days of looks outgrow one history; the evidence lives in Postgres, so only the position and what was asked travel on. */
async function continueWhenLong(input: RolloutInput, wishes: Wishes, resume: RolloutPosition): Promise<void> {
  if (!workflowInfo().continueAsNewSuggested) return;
  await condition(allHandlersFinished);
  const { paused, pinned, change, shareChanges, promote } = wishes;
  const asked: Asked = { paused, pinned, change, shareChanges, promote };
  await continueAsNew<(input: Continued) => Promise<RolloutResult>>({ ...input, resume, ...asked });
}
