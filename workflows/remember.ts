import { CancellationScope, patched } from "@temporalio/workflow";
import type { Request } from "../contracts/messages.ts";
import type { RequestName } from "../contracts/names.ts";
import { control } from "./activity-options.ts";

/**
 * Makes a handler that has somebody's request checked and remembered, and then does it. `act` gets him as Postgres knows him, which
 * is how everything that is kept may speak of him, and what he asked; `subject` is what was asked, and `withdraws` says whose canary goes
 * back with it, if one does.
 */
export function remembered<Asked extends Request>(
  subject: string,
  request: RequestName,
  act: (who: Request, asked: Asked) => void,
  withdraws: () => string | null = () => null,
): (asked: Asked) => Promise<void> {
  return async (asked) => {
    const endpoint = withdraws();
    const recorded = { subject, request, ...asked, ...(endpoint !== null && { withdraws: endpoint }) };
    const record = () => CancellationScope.nonCancellable(() => control.recordRequest(recorded));
    // Runs of release 0.1.0 did it first and remembered after.
    if (!patched("asked-before-done")) {
      act(asked, asked);
      await record();
      return;
    }
    act(await record(), asked);
  };
}
