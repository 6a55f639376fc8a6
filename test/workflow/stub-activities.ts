import { Context } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";

import type { Activities } from "../../activities/index.ts";
import type { LifecycleRun, RolloutInput, StageOutcome } from "../../contracts/messages.ts";

export type ActivityName = keyof Activities;
export interface Call {
  readonly name: ActivityName;
  readonly input: unknown;
}

export interface StubActivities {
  readonly activities: Activities;
  /** Every call since the last reset, in order; repeated attempts too. */
  readonly calls: readonly Call[];
  /** Names of the calls that mention an id, in order. */
  readonly namesOf: (id: string) => ActivityName[];
  readonly inputsOf: <Name extends ActivityName>(name: Name) => Parameters<Activities[Name]>[0][];
  /** Replaces what some activities do until the next reset. */
  readonly set: (replacements: Partial<Activities>) => void;
  readonly reset: () => void;
}

/** Activities that do nothing and let everything pass, so that a test is about the workflow alone. */
export function createStubActivities(): StubActivities {
  const calls: Call[] = [];
  let replaced: Partial<Activities> = {};
  const names = Object.keys(passing) as ActivityName[];
  const activities = Object.fromEntries(
    names.map((name) => [
      name,
      async (input: never): Promise<unknown> => {
        calls.push({ name, input });
        return await (replaced[name] ?? passing[name])(input);
      },
    ]),
  ) as unknown as Activities;
  return {
    activities,
    calls,
    namesOf: (id) => calls.filter(({ input }) => JSON.stringify(input).includes(`"${id}"`)).map(({ name }) => name),
    inputsOf: (name) => calls.filter((call) => call.name === name).map(({ input }) => input as never),
    set: (replacements) => {
      replaced = { ...replaced, ...replacements };
    },
    reset: () => {
      calls.length = 0;
      replaced = {};
    },
  };
}

const stage = async ({ lifecycleId, round }: LifecycleRun): Promise<StageOutcome> => ({
  stageRunId: `${lifecycleId}-${round}`,
  verdict: "pass",
  headline: "fine",
});

export const rolloutInput = (endpoint: string, lifecycle: LifecycleRun | null = null): RolloutInput => ({
  rolloutId: `${endpoint}-1`,
  endpoint,
  environment: "production",
  versionId: "version-2",
  startedBy: "ada",
  lifecycle,
  plan: {},
});

const passing: Activities = {
  acceptSpec: async ({ spec }) => ({
    approvalRequired: false,
    endpoint: null,
    monitored: false,
    trainingTimeoutMs: 60_000,
    ...(spec as object),
  }),
  snapshotData: stage,
  validateData: stage,
  trainModel: stage,
  admitModel: stage,
  optimizeModel: stage,
  evaluateModel: stage,
  awaitApproval: async () => ({ waiting: true }),
  recordDecision: async ({ decision, by, reason }) =>
    decision === "approve"
      ? { status: "approved", by: [by], says: `approved by ${by}` }
      : { status: "rejected", by, says: `rejected by ${by}: ${reason}` },
  recordVersionDecision: async ({ by }) => ({ status: "approved", by: [by], says: `approved by ${by}` }),
  changePolicy: async () => ({ policy: null }),
  acknowledgeAlarm: async () => undefined,
  changeLogSettings: async ({ requestId }) => ({ setting: requestId }),
  dropExpiredDays: async () => ({ before: "2001-06-02", dayCount: 1, rowCount: 2 }),
  recordRequest: async ({ by, reason }) => ({ by, reason }),
  planRollout: async (run) => rolloutInput(run.lifecycleId, run),
  waitTurn: async ({ endpoint }) => {
    throw catalogued("ENDPOINT_BUSY", `endpoint ${endpoint} is taken`);
  },
  leaveTurn: async () => undefined,
  changeAccess: async ({ requestId }) => ({ changed: requestId }),
  recordDeployment: async () => undefined,
  openRollout: async () => ({
    hasChampion: true,
    stepCount: 3,
    steps: [500, 2500, 5000],
    lookIntervalMs: 5,
    deadlineMs: 600_000,
    onDeadline: "rollback",
  }),
  shiftTraffic: async () => undefined,
  beginShadow: async () => undefined,
  lookAtShadow: async () => ({ verdict: "hold", stepDone: true, reason: "they agree" }),
  promoteCanary: async () => undefined,
  lookAtPromotion: async () => ({ verdict: "hold", stepDone: false, reason: "nothing tripped" }),
  setShare: async () => undefined,
  withdrawCanary: async () => undefined,
  confirmTraffic: async () => undefined,
  lookAtRollout: async ({ step }) => ({
    verdict: step === 2 ? "promote" : "hold",
    stepDone: true,
    reason: `looked at step ${step}`,
  }),
  renewRolloutLease: async () => undefined,
  closeRollout: async (end) => end,
  restoreFormerChampion: async () => ({ epoch: 7, champion: "flight-delay@1" }),
  startMonitor: async () => undefined,
  endLifecycle: async () => undefined,
  checkDrift: async () => ({ driftCheckId: "check-1", verdict: "stable", harm: false }),
  reportMissedCheck: async () => undefined,
  decideRetrain: async () => ({ decision: "cooldown", lifecycle: null }),
  signCheckpoint: async () => ({ checkpoints: [{ stream: "modelwright", size: 3, written: true }] }),
  changeRegistry: async () => ({ entries: [1] }),
  registerModel: async ({ model }) => ({
    versionId: "version-1",
    model,
    number: 1,
    digest: "0".repeat(64),
    existing: false,
  }),
};

/** A failure as `translateFailures` puts it on the wire. */
export const catalogued = (code: string, message: string): ApplicationFailure =>
  ApplicationFailure.create({ type: code, message, nonRetryable: true });

/** Works until it is cancelled, and says so by `onCancelled`. */
export async function untilCancelled(onCancelled: () => void = () => undefined): Promise<never> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 20);
  try {
    return await context.cancelled;
  } catch (thrown) {
    onCancelled();
    throw thrown;
  } finally {
    clearInterval(beat);
  }
}

export interface Door {
  readonly reached: Promise<void>;
  readonly pass: () => Promise<void>;
  readonly open: () => void;
}

/** A door that an activity waits at. */
export function createDoor(): Door {
  let reach = () => {};
  let open = () => {};
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    reached,
    pass: async () => {
      reach();
      await opened;
    },
    open: () => open(),
  };
}
