import { ActivityCancellationType, proxyActivities } from "@temporalio/workflow";
import type { ActivityOptions } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import { QUEUES } from "../contracts/names.ts";

/**
 * Both bounds on every activity, per attempt and in total: nothing retries forever. Short work is tried again until its
 * total bound, which rides out an outage of Postgres. Heavy work gets six attempts spread over more than five minutes: enough for
 * restarts of a worker and of Postgres, and a fault of the program is visible soon and not after a night of repeating it. Heartbeats
 * tell a dead worker from a slow one.
 */
const shortRetry = { initialInterval: "500ms", backoffCoefficient: 2, maximumInterval: "20s" } as const;
const heavyRetry = { initialInterval: "1s", backoffCoefficient: 4, maximumInterval: "5m", maximumAttempts: 6 } as const;

/** What runs is over before the next thing happens: an undo must not race with the work it undoes. */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

const short = {
  taskQueue: QUEUES.control,
  startToCloseTimeout: "30s",
  scheduleToCloseTimeout: "10m",
  retry: shortRetry,
  cancellationType,
} satisfies ActivityOptions;

const heavy = {
  taskQueue: QUEUES.compute,
  startToCloseTimeout: "2h",
  scheduleToCloseTimeout: "8h",
  heartbeatTimeout: "15s",
  retry: heavyRetry,
  cancellationType,
} satisfies ActivityOptions;

/** Short database work on the control queue. */
export const control = proxyActivities<Activities>(short);

/**
 * How runs end: given a day, because what ends a run may be the very outage that keeps its end from being recorded, and a run
 * without a recorded end blocks its endpoint and its retry.
 */
export const closing = proxyActivities<Activities>({ ...short, scheduleToCloseTimeout: "1d" });

/** Waits that write nothing: whoever cancels need not wait with them. */
export const watching = proxyActivities<Activities>({
  ...short,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** CPU-heavy work on the compute queue; it heartbeats, and cancelling it ends its child process. */
export const compute = proxyActivities<Activities>(heavy);

/** Reading the audit log, on the control queue: long when it is read as a whole, and next to no computing. */
export const signing = proxyActivities<Activities>({ ...heavy, taskQueue: QUEUES.control });

/** Training handoff: bounded by the spec's own timeout plus room for admission and restarts. */
export function training(timeoutMs: number) {
  return proxyActivities<Activities>({
    ...heavy,
    startToCloseTimeout: timeoutMs + 60_000,
    scheduleToCloseTimeout: 2 * timeoutMs + 600_000,
  });
}
