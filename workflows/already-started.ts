import { TemporalFailure } from "@temporalio/workflow";

/** True when a child was not started because its workflow id is taken. The SDK's class for it cannot be imported in a workflow. */
export function isAlreadyStarted(thrown: unknown): boolean {
  return thrown instanceof TemporalFailure && thrown.name === "WorkflowExecutionAlreadyStartedError";
}
