import {
  type Client,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from "@temporalio/client";
import { QUEUES, WORKFLOWS, workflowIds } from "../../contracts/names.ts";
import type { AuditCheckpointInput, DriftCheckInput } from "../../contracts/messages.ts";

/** Where monitors get their clock from, the checkpoints of the audit log, and the end of old days of the prediction log. */
export interface Schedules {
  /** Makes the monitor's schedule be as described, whatever was there; safe to repeat. */
  readonly ensure: (monitor: { readonly monitorId: string; readonly cron: string }) => Promise<void>;
  readonly remove: (monitorId: string) => Promise<void>;
  /** Signs the audit log every ten minutes, for the first time at once, and once a night after reading all of it. */
  readonly ensureCheckpoints: () => Promise<void>;
  /** Drops the days of the prediction log whose time is over, every night. */
  readonly ensureLogRetention: () => Promise<void>;
}

/** A missed night is caught up for this long after an outage; older ones are shown as missed and left to a backfill. */
const CATCH_UP_WINDOW = "6 hours";

/** Events younger than this may not be signed yet; one run is one short activity when nothing happened. */
const CHECKPOINT_EVERY = "10 minutes";
const WHOLE_CHECKPOINT_AT = "17 1 * * *";

/** After midnight, when another day may be over, and not with the drift checks that most people have at full hours. */
const LOG_RETENTION_AT = "23 0 * * *";

export function createTemporalSchedules(client: Client): Schedules {
  /** A schedule that is there keeps being paused, if it is. */
  async function ensure(scheduleId: string, described: Described, state?: ScheduleOptions["state"]): Promise<void> {
    try {
      await client.schedule.create({ scheduleId, ...described, ...(state && { state }) });
    } catch (thrown) {
      if (!(thrown instanceof ScheduleAlreadyRunning)) throw thrown;
      await client.schedule.getHandle(scheduleId).update((previous) => ({ ...described, state: previous.state }));
    }
  }
  return {
    ensure: async ({ monitorId, cron }) => {
      const scheduleId = workflowIds.monitor(monitorId);
      const input: DriftCheckInput = { monitorId };
      await ensure(scheduleId, {
        spec: { cronExpressions: [cron] },
        action: action(WORKFLOWS.driftCheck, scheduleId, input),
        // Checks of one monitor run one after the other: the retrain policy then sees them in order.
        policies: { overlap: ScheduleOverlapPolicy.BUFFER_ALL, catchupWindow: CATCH_UP_WINDOW },
      });
    },
    remove: async (monitorId) => {
      try {
        await client.schedule.getHandle(workflowIds.monitor(monitorId)).delete();
      } catch (thrown) {
        if (!(thrown instanceof ScheduleNotFoundError)) throw thrown;
      }
    },
    ensureCheckpoints: async () => {
      const checkpoints = (name: string, spec: Described["spec"], input: AuditCheckpointInput): [string, Described] => {
        const scheduleId = workflowIds.auditCheckpoint(name);
        // The next run covers what a skipped or missed one would have.
        const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CHECKPOINT_EVERY } as const;
        return [scheduleId, { spec, action: action(WORKFLOWS.auditCheckpoint, scheduleId, input), policies }];
      };
      const often: Described["spec"] = { intervals: [{ every: CHECKPOINT_EVERY }] };
      await ensure(...checkpoints("often", often, { whole: false }), { triggerImmediately: true });
      await ensure(...checkpoints("nightly", { cronExpressions: [WHOLE_CHECKPOINT_AT] }, { whole: true }));
    },
    ensureLogRetention: () => {
      const scheduleId = workflowIds.logRetention;
      return ensure(scheduleId, {
        spec: { cronExpressions: [LOG_RETENTION_AT] },
        action: action(WORKFLOWS.logRetention, scheduleId, {}),
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP_WINDOW },
      });
    },
  };
}

type Described = Pick<ScheduleUpdateOptions, "spec" | "policies"> & { readonly action: ReturnType<typeof action> };

const action = (workflowType: string, workflowId: string, input: unknown) => ({
  type: "startWorkflow" as const,
  workflowType,
  workflowId,
  taskQueue: QUEUES.control,
  args: [input],
});
