import type { Client } from "@temporalio/client";

export const DEPLOYMENT_NAME = "modelwright";

/**
 * Makes this build the one new workflows start on and waiting ones move to. The server knows a build only after its first poll,
 * so this asks until it does.
 */
export async function becomeCurrentBuild(client: Client, buildId: string, signal: AbortSignal): Promise<void> {
  const namespace = client.options.namespace;
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    try {
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName: DEPLOYMENT_NAME,
        buildId,
        // A build that polls fewer queues than the last one is a change of the code, not a mistake.
        ignoreMissingTaskQueues: true,
        identity: `worker-${process.pid}`,
      });
      return;
    } catch (thrown) {
      if (attempt >= 100) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
