import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  patched,
  workflowInfo,
} from "@temporalio/workflow";
import type {
  ByHand,
  OpenedRollout,
  RolloutEnd,
  RolloutInput,
  RolloutPosition,
  RolloutResult,
} from "../contracts/messages.ts";
import { closing, control, watching } from "./activity-options.ts";
import type { Asked, Continued, Wishes } from "./rollout-requests.ts";

/** Opens the rollout and takes it through its phases, until a look or somebody ends it. */
export async function climb(input: RolloutInput, wishes: Wishes): Promise<RolloutResult> {
  const { rolloutId } = input;
  const opened = await control.openRollout(input);
  const run: Run = {
    input,
    wishes,
    opened,
    at: input.resume ?? {
      step: 0,
      lookCount: 0,
      deadlineAt: Date.now() + opened.deadlineMs,
      ...(opened.shadowed && { shadowing: true }),
    },
  };
  const close = ({ status, reason, hand }: Verdict) => {
    wishes.ending = status;
    const end = { rolloutId, status, reason, ...(hand && { hand }) };
    return status === "promoted" ? closing.closeRollout(end) : withdrawAndClose(input, end);
  };
  if (!opened.hasChampion) {
    const reason = "first version on this endpoint: there is no champion to compare with";
    return close(promoted(reason));
  }
  const { observing } = run.at;
  const verdict = observing ? promoted(observing.reason, observing.hand) : ((await shadow(run)) ?? (await ramp(run)));
  if (verdict.status !== "promoted" || opened.observeMs === undefined) return close(verdict);
  const harm = await observe(run, opened.observeMs, verdict);
  return close(harm === null ? verdict : rolledBack(harm));
}

/** One run of the workflow; `at` is where a continued one goes on. */
interface Run {
  readonly input: RolloutInput;
  readonly wishes: Wishes;
  readonly opened: OpenedRollout;
  at: RolloutPosition;
}

type Verdict = Omit<RolloutEnd, "rolloutId">;
const promoted = (reason: string, hand?: ByHand): Verdict => ({ status: "promoted", reason, ...(hand && { hand }) });
const rolledBack = (reason: string): Verdict => ({ status: "rolled-back", reason });
const givesWay = (newer: string): Verdict => ({ status: "aborted", reason: `it gives way to rollout ${newer}` });

/** Requests are mirrored until the answers are shown to agree; null when the ramp may begin. */
async function shadow(run: Run): Promise<Verdict | null> {
  if (!run.at.shadowing) return null;
  const { rolloutId } = run.input;
  await control.beginShadow({ rolloutId });
  await watching.confirmTraffic({ rolloutId });
  for (;;) {
    await wait(run);
    const look = await control.lookAtShadow({ rolloutId, number: nextLook(run) });
    if (look.verdict === "rollback") return rolledBack(look.reason);
    if (look.givesWayTo) return givesWay(look.givesWayTo);
    if (look.stepDone) break;
    if (isLate(run)) return rolledBack(`the deadline passed before the ramp: ${look.reason}`);
    await continueWhenLong(run);
  }
  const { shadowing: _, ...at } = run.at;
  run.at = at;
  return null;
}

/** One share after the other. */
async function ramp(run: Run): Promise<Verdict> {
  const { input, wishes, opened } = run;
  const { rolloutId } = input;
  for (let { step } = run.at; step < opened.stepCount; step += 1) {
    run.at = { ...run.at, step };
    if (opened.steps) wishes.ramp = { steps: opened.steps, step };
    await control.shiftTraffic({ rolloutId, step });
    await watching.confirmTraffic({ rolloutId });
    const isLast = step === opened.stepCount - 1;
    if (isLast && opened.bakeMs !== undefined) run.at = { bakedAt: Date.now() + opened.bakeMs, ...run.at };
    for (;;) {
      await wait(run);
      if (wishes.promote) return override(wishes.promote);
      const look = await control.lookAtRollout({ rolloutId, step, number: nextLook(run) });
      if (look.verdict === "rollback") return rolledBack(look.reason);
      if (look.givesWayTo) return givesWay(look.givesWayTo);
      // A share set by hand holds the ramp: whoever set it wants neither the next step nor a promotion yet.
      const isBaked = Date.now() >= (run.at.bakedAt ?? 0);
      if (!wishes.pinned && isBaked && look.verdict === "promote") return promoted(look.reason);
      if (!wishes.pinned && look.stepDone && !isLast) break;
      if (isLate(run)) {
        const why = wishes.pinned ? "while a share set by hand held the ramp" : "without a verdict";
        return rolledBack(`the deadline passed ${why}: ${look.reason}`);
      }
      await continueWhenLong(run);
    }
  }
  throw ApplicationFailure.nonRetryable("a rollout plan has at least one step", "INPUT_INVALID");
}

/** Everything is the new champion's, and the former one is warm; null when nothing tripped in that time, else what did. */
async function observe(run: Run, observeMs: number, { reason, hand }: Verdict): Promise<string | null> {
  const { input, wishes } = run;
  const { rolloutId } = input;
  wishes.ramp = null;
  wishes.promote = null;
  wishes.change = null;
  const { until } = run.at.observing ?? { until: Date.now() + observeMs };
  const byHand = hand && { hand };
  run.at = { ...run.at, observing: { until, reason, ...byHand } };
  await control.promoteCanary({ rolloutId, ...byHand });
  await watching.confirmTraffic({ rolloutId });
  do {
    await wait(run);
    const look = await control.lookAtPromotion({ rolloutId, number: nextLook(run) });
    if (look.verdict === "rollback") return look.reason;
    await continueWhenLong(run);
    // A pause moves it.
  } while (Date.now() < (run.at.observing?.until ?? until));
  return null;
}

/** The same position with everything that it waits for so much later. */
const later = (at: RolloutPosition, ms: number): RolloutPosition => ({
  ...at,
  deadlineAt: at.deadlineAt + ms,
  ...(at.bakedAt !== undefined && { bakedAt: at.bakedAt + ms }),
  ...(at.observing && { observing: { ...at.observing, until: at.observing.until + ms } }),
});

const isLate = ({ at, opened }: Run) => Date.now() > at.deadlineAt && opened.onDeadline === "rollback";

function nextLook(run: Run): number {
  run.at = { ...run.at, lookCount: run.at.lookCount + 1 };
  return run.at.lookCount;
}

const override = ({ by, reason }: ByHand): Verdict =>
  promoted(`override by ${by}, past the evidence: ${reason}`, { by, reason });

/** Traffic before anything else: what else is recorded of the end cannot keep it waiting. */
export async function withdrawAndClose({ endpoint }: RolloutInput, end: RolloutEnd): Promise<RolloutResult> {
  const { rolloutId, hand } = end;
  // Runs of earlier releases close in one step.
  if (patched("withdraw-first")) await closing.withdrawCanary({ rolloutId, endpoint, ...(hand && { hand }) });
  return closing.closeRollout(end);
}

/** Until the next look, or until somebody goes past it; while paused the canary keeps its share, so its lease is renewed. */
async function wait(run: Run): Promise<void> {
  const { input, wishes, opened } = run;
  const { rolloutId } = input;
  const isCalled = () => wishes.promote !== null || wishes.change !== null;
  await condition(() => isCalled() || wishes.lookSoon, opened.lookIntervalMs);
  wishes.lookSoon = false;
  for (;;) {
    await condition(() => wishes.rollbacksChecked === 0);
    if (wishes.promote) return;
    if (wishes.change) await applyChange(rolloutId, wishes, wishes.change);
    else if (!wishes.paused) return;
    else {
      const since = Date.now();
      await control.renewRolloutLease({ rolloutId });
      await continueWhenLong(run);
      await condition(() => !wishes.paused || isCalled(), opened.lookIntervalMs);
      // Runs of earlier releases had their deadline come nearer while they were paused.
      if (patched("clock-stands-still")) run.at = later(run.at, Date.now() - since);
    }
  }
}

async function applyChange(rolloutId: string, wishes: Wishes, change: NonNullable<Asked["change"]>): Promise<void> {
  await control.setShare({ rolloutId, ...change });
  await watching.confirmTraffic({ rolloutId });
  if (wishes.change === change) wishes.change = null;
}

/** Days of looks outgrow one history; the evidence lives in Postgres, so only the position and what was asked travel on. */
async function continueWhenLong({ input, wishes, at: resume }: Run): Promise<void> {
  if (!workflowInfo().continueAsNewSuggested) return;
  await condition(allHandlersFinished);
  const { paused, pinned, change, shareChanges, promote } = wishes;
  const asked: Asked = { paused, pinned, change, shareChanges, promote };
  await continueAsNew<(input: Continued) => Promise<RolloutResult>>({ ...input, resume, ...asked });
}
