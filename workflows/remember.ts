import { CancellationScope } from "@temporalio/workflow";
import type { Request } from "../contracts/messages.ts";
import type { RequestName } from "../contracts/names.ts";
import { control } from "./activity-options.ts";

/** Makes a handler that does at once what somebody asks for and then remembers who and why; `subject` is what was asked. */
export function remembered(
  subject: string,
  request: RequestName,
  act: (asked: Request) => void,
): (asked: Request) => Promise<void> {
  return async (asked) => {
    act(asked);
    await CancellationScope.nonCancellable(() => control.recordRequest({ subject, request, ...asked }));
  };
}
