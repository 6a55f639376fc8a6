import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client, Connection } from "@temporalio/client";
import { msToTs } from "@temporalio/common/lib/time.js";
import { DefaultLogger, NativeConnection, Runtime, Worker } from "@temporalio/worker";

import { QUEUES } from "../../contracts/names.ts";
import { loadWorkflowBundle } from "../../workers/workflow-bundle.ts";
import { createStubActivities, type StubActivities } from "./stub-activities.ts";

export interface WorkflowStage {
  readonly client: Client;
  readonly stubs: StubActivities;
  readonly close: () => Promise<void>;
}

/** Written into histories, which are kept in the repository: no host name, no process id. */
const IDENTITY = "modelwright-test";

/**
 * Runs the bundle that production runs, with stub activities. Task queues have fixed names, so each caller gets a namespace of
 * its own on the shared server.
 */
export async function openWorkflowStage(address: string): Promise<WorkflowStage> {
  // Failing activities are what these tests are about; their warnings would drown a real message.
  Runtime.install({ logger: new DefaultLogger("ERROR"), shutdownSignals: [] });
  const namespace = `test-${randomUUID()}`;
  const clientConnection = await Connection.connect({ address });
  await clientConnection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs("1 day"),
  });
  const connection = await NativeConnection.connect({ address });
  const stubs = createStubActivities();
  const { code } = await loadWorkflowBundle(join(tmpdir(), "modelwright-test-bundles"));
  const shared = { connection, namespace, identity: IDENTITY, activities: stubs.activities };
  const control = await create({ ...shared, taskQueue: QUEUES.control, workflowBundle: { code } });
  const compute = await create({ ...shared, taskQueue: QUEUES.compute, maxHeartbeatThrottleInterval: 20 });
  const running = Promise.all([control.run(), compute.run()]);
  const client = new Client({ connection: clientConnection, namespace, identity: IDENTITY });
  return {
    client,
    stubs,
    close: async () => {
      control.shutdown();
      compute.shutdown();
      await running;
      await clientConnection.close();
      await connection.close();
    },
  };
}

/** The server needs a moment until every part of it knows a new namespace. */
async function create(options: Parameters<typeof Worker.create>[0]): Promise<Worker> {
  for (let left = 100; ; left -= 1) {
    try {
      return await Worker.create(options);
    } catch (thrown) {
      if (left === 0) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
