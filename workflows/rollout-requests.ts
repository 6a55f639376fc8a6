import { ApplicationFailure, defineUpdate, setHandler } from "@temporalio/workflow";
import { FAILURES } from "../contracts/failures.ts";
import type { Request, RolloutInput, RolloutResult, ShareChange, ShareRequest } from "../contracts/messages.ts";
import { BASIS_POINTS, UPDATES } from "../contracts/names.ts";
import { remembered } from "./remember.ts";

const pauseUpdate = defineUpdate<void, [Request]>(UPDATES.pause);
const resumeUpdate = defineUpdate<void, [Request]>(UPDATES.resume);
const rollbackUpdate = defineUpdate<void, [Request]>(UPDATES.rollback);
const promoteUpdate = defineUpdate<void, [Request]>(UPDATES.promote);
const lookUpdate = defineUpdate<void>(UPDATES.look);
const shareUpdate = defineUpdate<void, [ShareRequest]>(UPDATES.share);

/** What people asked for and is not done yet, or holds until they ask for something else. A continued run takes it along. */
export interface Asked {
  paused: boolean;
  /** True while a share set by hand stands: looks go on, and the ramp does not. */
  pinned: boolean;
  /** A change of the share that is not made yet. */
  change: Omit<ShareChange, "rolloutId"> | null;
  /** Changes that were asked for so far. */
  shareChanges: number;
  /** Somebody goes past the evidence. */
  promote: Request | null;
}

/** Where a continued run goes on, with what was asked of it. */
export type Continued = RolloutInput & Partial<Asked>;

/** What people want, and what they may want at this moment. */
export interface Wishes extends Asked {
  rollback: Request | null;
  /** Something happened that the next look should not wait for. */
  lookSoon: boolean;
  /** Rollbacks whose asker is being checked: meanwhile nobody renews the canary's lease. */
  rollbacksChecked: number;
  /** Shares of the steps and the step in force; null while nothing is open. */
  ramp: { readonly steps: readonly number[]; readonly step: number } | null;
  /** From then on the rollout's end is decided, and anything else would be promised in vain. */
  ending: RolloutResult["status"] | null;
}

export const nothingAsked: Asked = { paused: false, pinned: false, change: null, shareChanges: 0, promote: null };

/** Listens to what people ask of a running rollout. `stop` ends its ramp. */
export function listen(
  { rolloutId, endpoint }: Pick<RolloutInput, "rolloutId" | "endpoint">,
  wishes: Wishes,
  stop: () => void,
): void {
  const subject = `rollout/${rolloutId}`;
  setHandler(lookUpdate, () => {
    wishes.lookSoon = true;
  });
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
      const basisPoints = wishes.ramp?.steps[wishes.ramp.step];
      if (!wishes.pinned || basisPoints === undefined) return;
      wishes.pinned = false;
      changeShare(wishes, { basisPoints, by: null, reason: "the plan's share again" });
    }),
  );
  const rollBack = remembered(
    subject,
    "rollback",
    (request) => {
      // While it was remembered the end may have been decided.
      if (wishes.ending) throw justEnded(rolloutId, wishes.ending);
      wishes.rollback = request;
      stop();
    },
    () => endpoint,
  );
  setHandler(
    rollbackUpdate,
    async (request) => {
      wishes.rollbacksChecked += 1;
      await rollBack(request).finally(() => (wishes.rollbacksChecked -= 1));
    },
    { validator: ({ by }) => requireReversible(rolloutId, wishes, by) },
  );
  setHandler(
    promoteUpdate,
    remembered(subject, "promote", (request) => {
      if (wishes.ending) throw justEnded(rolloutId, wishes.ending);
      wishes.promote = request;
    }),
    {
      validator: (request) => {
        requireGoingOn(rolloutId, wishes, request);
        requireRamp(rolloutId, wishes);
        requireReason(rolloutId, request);
      },
    },
  );
  setHandler(
    shareUpdate,
    remembered<ShareRequest>(subject, "share", ({ by, reason }, { share: { basisPoints } }) => {
      if (wishes.ending) throw justEnded(rolloutId, wishes.ending);
      wishes.pinned = true;
      changeShare(wishes, { basisPoints, by, reason });
    }),
    {
      validator: (request) => {
        requireGoingOn(rolloutId, wishes, request);
        requireReason(rolloutId, request);
        requireEarned(rolloutId, requireRamp(rolloutId, wishes), request);
      },
    },
  );
}

function changeShare(wishes: Wishes, change: Omit<ShareChange, "rolloutId" | "number">): void {
  wishes.shareChanges += 1;
  wishes.change = { ...change, number: wishes.shareChanges };
}

function requireGoingOn(rolloutId: string, { rollback, promote, ending }: Wishes, { by }: Request): void {
  requireReversible(rolloutId, { rollback, ending }, by);
  if (promote) throw busy(`${promote.by} is promoting rollout ${rolloutId} already; wait for its end`);
}

/** Going back is possible to the last moment, past a promotion too that is on its way. */
function requireReversible(
  rolloutId: string,
  { rollback, ending }: Pick<Wishes, "rollback" | "ending">,
  by: string,
): void {
  if (rollback) throw busy(`${rollback.by} is rolling back already; ${by} need not`);
  if (ending) throw justEnded(rolloutId, ending);
}

function requireRamp(rolloutId: string, { ramp }: Wishes): NonNullable<Wishes["ramp"]> {
  if (!ramp)
    throw busy(
      `rollout ${rolloutId} is not in its ramp; only there its canary has a share, and evidence that can be gone past`,
    );
  return ramp;
}

function requireReason(rolloutId: string, { reason }: Request): void {
  if (reason.trim() !== "") return;
  const fields = { where: `rollout ${rolloutId}`, problems: "it was asked for without a reason; say why" };
  throw ApplicationFailure.nonRetryable(FAILURES.INPUT_INVALID.wording(fields), "INPUT_INVALID", fields);
}

/** The ramp earned the share of its present step, and with it every smaller one. */
function requireEarned(rolloutId: string, ramp: NonNullable<Wishes["ramp"]>, { share }: ShareRequest): void {
  const { basisPoints: asked, override } = share;
  const allowed = override ? BASIS_POINTS - 1 : (ramp.steps[ramp.step] ?? 0);
  if (Number.isInteger(asked) && asked >= 1 && asked <= allowed) return;
  const fields = { rollout: rolloutId, asked, allowed };
  throw ApplicationFailure.nonRetryable(FAILURES.SHARE_NOT_EARNED.wording(fields), "SHARE_NOT_EARNED", fields);
}

const justEnded = (rolloutId: string, status: string) =>
  busy(`rollout ${rolloutId} just ended as ${status}; ask again to restore the former champion`);

const busy = (message: string) => ApplicationFailure.nonRetryable(message, "ENDPOINT_BUSY");
