import { Runtime, Worker } from "@temporalio/worker";
import { ensureNoteKey } from "../adapters/checkpoints/note-key.ts";
import { QUEUES } from "../contracts/names.ts";
import { logAlarms } from "./alarm-log.ts";
import { becomeCurrentBuild, DEPLOYMENT_NAME } from "./deployment.ts";
import { followGateways } from "./follow-gateways.ts";
import { lookEarly } from "./early-look.ts";
import { loadWorkflowBundle } from "./workflow-bundle.ts";
import { runWorkerProcess } from "./worker-process.ts";

/** Entry of the control worker: workflows and short database work. Never anything that blocks its event loop. */
await runWorkerProcess({
  maximumConnections: 20,
  create: async ({ environment, connection, client, activities, schedules, gateways, database }) => {
    const { code, buildId } = await loadWorkflowBundle(environment.cacheDirectory);
    const worker = await Worker.create({
      connection,
      namespace: environment.namespace,
      taskQueue: QUEUES.control,
      workflowBundle: { code },
      activities,
      maxConcurrentActivityTaskExecutions: 20,
      shutdownGraceTime: "10s",
      workerDeploymentOptions: {
        version: { deploymentName: DEPLOYMENT_NAME, buildId },
        useWorkerVersioning: true,
        // Lifecycles wait for days: they move to the newest build, and replay tests guard that they can.
        defaultVersioningBehavior: "AUTO_UPGRADE",
      },
    });
    const trouble = lookEarly(client, environment.databaseUrl);
    const heartbeats = await followGateways({ database, gateways, path: environment.gatewaysPath });
    const alarms = logAlarms(database, environment.databaseUrl, Runtime.instance().logger);
    return {
      worker,
      started: async (signal) => {
        await becomeCurrentBuild(client, buildId, signal);
        await schedules.ensureLogRetention();
        if (!environment.checkpoints) return;
        await ensureNoteKey(environment.checkpoints.keyPath);
        await schedules.ensureCheckpoints();
      },
      close: async () => {
        await Promise.all([alarms.close(), trouble.close(), heartbeats.close()]);
      },
    };
  },
});
