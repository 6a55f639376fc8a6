import { ApplicationFailure, ParentClosePolicy, patched, sleep, startChild } from "@temporalio/workflow";
import { FAILURES } from "../contracts/failures.ts";
import type { RolloutInput, RolloutResult } from "../contracts/messages.ts";
import { workflowIds } from "../contracts/names.ts";
import { control } from "./activity-options.ts";
import { isAlreadyStarted } from "./already-started.ts";
import { canaryRollout } from "./rollout.ts";

const FIRST_POLL_MS = 5_000;
const LONGEST_POLL_MS = 5 * 60_000;

/** Rolls out, and where another rollout has the endpoint waits as the plan of that one says. `onTurn` is told when it runs and when it has ended. */
export async function rollOutInTurn(
  plan: RolloutInput,
  onTurn: (runs: boolean) => void = () => undefined,
): Promise<RolloutResult> {
  for (;;) {
    try {
      const child = await startChild(canaryRollout, {
        workflowId: workflowIds.rollout(plan.endpoint),
        args: [plan],
        // Terminating who waits for it leaves the rollout to bring its own traffic back.
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      });
      onTurn(true);
      return await child.result().finally(() => onTurn(false));
    } catch (thrown) {
      if (!isAlreadyStarted(thrown)) throw thrown;
      // Runs of earlier releases never waited.
      if (!patched("turns")) throw endpointBusy(plan.endpoint);
      await untilTurn(plan);
    }
  }
}

/** Until the endpoint may be free, or its rollout's plan refuses others: asked ever more seldom, because it can be days. */
async function untilTurn(plan: RolloutInput): Promise<void> {
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(LONGEST_POLL_MS, pauseMs * 1.5)) {
    const { mayStart } = await control.waitTurn(plan);
    if (mayStart) return;
    await sleep(Math.round(pauseMs));
  }
}

function endpointBusy(endpoint: string): ApplicationFailure {
  const fields = { endpoint, rollout: `(workflow ${workflowIds.rollout(endpoint)})` };
  return ApplicationFailure.nonRetryable(FAILURES.ENDPOINT_BUSY.wording(fields), "ENDPOINT_BUSY", fields);
}
