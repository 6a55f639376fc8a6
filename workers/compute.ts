import { availableParallelism } from "node:os";
import { Worker } from "@temporalio/worker";
import { QUEUES } from "../contracts/names.ts";
import { runWorkerProcess } from "./worker-process.ts";

/**
 * Entry of the compute worker: CPU-heavy activities, each of which works in child processes, so that this event loop stays free to
 * heartbeat. As many at once as there are cores.
 */
await runWorkerProcess({
  maximumConnections: 10,
  create: async ({ environment, connection, activities }) => ({
    worker: await Worker.create({
      connection,
      namespace: environment.namespace,
      taskQueue: QUEUES.compute,
      activities,
      maxConcurrentActivityTaskExecutions: availableParallelism(),
      // People watch progress; the default of 80 % of the heartbeat timeout would show it every 12 s.
      maxHeartbeatThrottleInterval: "1s",
      shutdownGraceTime: "5s",
    }),
  }),
});
