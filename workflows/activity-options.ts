import { proxyActivities } from "@temporalio/workflow";
import type { ActivityOptions } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import { QUEUES } from "../contracts/names.ts";

/**
 * Both bounds on every activity, per attempt and in total: nothing retries forever. Five attempts spread over about a
 * minute ride out a restart of Postgres or of a worker; heartbeats tell a dead worker from a slow one.
 */
const retry = { initialInterval: "500ms", backoffCoefficient: 2, maximumInterval: "20s" } as const;

const short = {
  taskQueue: QUEUES.control,
  startToCloseTimeout: "30s",
  scheduleToCloseTimeout: "10m",
  retry,
} satisfies ActivityOptions;

const heavy = {
  taskQueue: QUEUES.compute,
  startToCloseTimeout: "2h",
  scheduleToCloseTimeout: "8h",
  heartbeatTimeout: "15s",
  retry,
} satisfies ActivityOptions;

/** Short database work on the control queue. */
export const control = proxyActivities<Activities>(short);

/** CPU-heavy work on the compute queue; it heartbeats, and cancelling it ends its child process. */
export const compute = proxyActivities<Activities>(heavy);

/** Training handoff: bounded by the spec's own timeout plus room for admission and restarts. */
export function training(timeoutMs: number) {
  return proxyActivities<Activities>({
    ...heavy,
    startToCloseTimeout: timeoutMs + 60_000,
    scheduleToCloseTimeout: 2 * timeoutMs + 600_000,
  });
}
