import type { Client } from "@temporalio/client";
import { UPDATES, workflowIds } from "../contracts/names.ts";
import { listenTo, type Listener } from "../db/listen.ts";
import { TROUBLE_CHANNEL } from "../db/queries/gateway-report.ts";

/**
 * Has the endpoint's rollout look at once when a gateway reports trouble with a version. A hint and no more: the look judges what is on
 * record, and the next one comes without it. Every control worker tells, and the same trouble is one update.
 */
export function lookEarly(client: Pick<Client, "workflow">, url: string): Listener {
  const tell = async (trouble: string): Promise<void> => {
    const endpoint = trouble.slice(0, trouble.indexOf("/"));
    const handle = client.workflow.getHandle(workflowIds.rollout(endpoint));
    await handle.startUpdate(UPDATES.look, { waitForStage: "ACCEPTED", updateId: trouble });
  };
  // A rollout that has just ended is nobody's to tell.
  return listenTo({ url, channel: TROUBLE_CHANNEL, onTold: (trouble) => void tell(trouble).catch(() => undefined) });
}
