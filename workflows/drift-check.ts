import {
  ApplicationFailure,
  isCancellation,
  ParentClosePolicy,
  patched,
  rootCause,
  startChild,
  workflowInfo,
} from "@temporalio/workflow";
import type { DriftCheckInput, DriftCheckResult } from "../contracts/messages.ts";
import { workflowIds } from "../contracts/names.ts";
import { closing, compute, control } from "./activity-options.ts";
import { isAlreadyStarted } from "./already-started.ts";
import { modelLifecycle } from "./lifecycle.ts";

/** One drift check, and the retraining it may ask for. Windows end at the scheduled time, never now, so a late or repeated run counts the same rows. */
export async function driftCheck(input: DriftCheckInput): Promise<DriftCheckResult> {
  const asked = { monitorId: input.monitorId, scheduledAt: scheduledTime(input) };
  const check = await compute.checkDrift(asked).catch(async (thrown: unknown) => {
    // Runs of the release before end without a word.
    if (isCancellation(thrown) || !patched("missed-checks-are-told")) throw thrown;
    await closing.reportMissedCheck({ ...asked, reason: rootCause(thrown) ?? String(thrown) });
    throw thrown;
  });
  if (!check.harm) return { ...check, retrain: null, lifecycleId: null };

  const retrain = await control.decideRetrain({ driftCheckId: check.driftCheckId });
  if (retrain.lifecycle) {
    await startChild(modelLifecycle, {
      workflowId: workflowIds.lifecycle(retrain.lifecycle.lifecycleId),
      args: [retrain.lifecycle],
      // The lifecycle outlives the check that asked for it.
      parentClosePolicy: ParentClosePolicy.ABANDON,
      // A check that is run again finds the first decision, and its lifecycle started.
      workflowIdReusePolicy: "REJECT_DUPLICATE",
    }).catch((thrown: unknown) => {
      if (!isAlreadyStarted(thrown)) throw thrown;
    });
  }
  return { ...check, retrain: retrain.decision, lifecycleId: retrain.lifecycle?.lifecycleId ?? null };
}

function scheduledTime(input: DriftCheckInput): string {
  if (input.scheduledAt !== undefined) return input.scheduledAt;
  const scheduled: unknown = workflowInfo().searchAttributes["TemporalScheduledStartTime"]?.[0];
  if (scheduled instanceof Date) return scheduled.toISOString();
  throw ApplicationFailure.nonRetryable(
    "a drift check needs a scheduled time: start it from a schedule or give scheduledAt",
    "INPUT_INVALID",
  );
}
