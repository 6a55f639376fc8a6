import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from "@temporalio/client";
import { QUEUES, WORKFLOWS, workflowIds } from "../../contracts/names.ts";
import type { DriftCheckInput } from "../../contracts/messages.ts";

/** Where monitors get their clock from. */
export interface Schedules {
  /** Makes the monitor's schedule be as described, whatever was there; safe to repeat. */
  readonly ensure: (monitor: { readonly monitorId: string; readonly cron: string }) => Promise<void>;
  readonly remove: (monitorId: string) => Promise<void>;
}

/** A missed night is caught up for this long after an outage; older ones are shown as missed and left to a backfill. */
const CATCH_UP_WINDOW = "6 hours";

export function createTemporalSchedules(client: Client): Schedules {
  return {
    ensure: async ({ monitorId, cron }) => {
      const scheduleId = workflowIds.monitor(monitorId);
      const input: DriftCheckInput = { monitorId };
      const described = {
        spec: { cronExpressions: [cron] },
        action: {
          type: "startWorkflow" as const,
          workflowType: WORKFLOWS.driftCheck,
          workflowId: scheduleId,
          taskQueue: QUEUES.control,
          args: [input],
        },
        // Checks of one monitor run one after the other: the retrain policy then sees them in order.
        policies: { overlap: ScheduleOverlapPolicy.BUFFER_ALL, catchupWindow: CATCH_UP_WINDOW } as const,
      };
      try {
        await client.schedule.create({ scheduleId, ...described });
      } catch (thrown) {
        if (!(thrown instanceof ScheduleAlreadyRunning)) throw thrown;
        await client.schedule.getHandle(scheduleId).update((previous) => ({ ...described, state: previous.state }));
      }
    },
    remove: async (monitorId) => {
      try {
        await client.schedule.getHandle(workflowIds.monitor(monitorId)).delete();
      } catch (thrown) {
        if (!(thrown instanceof ScheduleNotFoundError)) throw thrown;
      }
    },
  };
}
