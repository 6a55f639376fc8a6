import { Context } from "@temporalio/activity";
import type { OperationContext } from "../db/queries/operation.ts";

/** Who asks, as Temporal names it. */
export function operationContext(): OperationContext {
  const { workflowExecution, activityId, attempt } = Context.current().info;
  return {
    workflowId: workflowExecution?.workflowId ?? "",
    runId: workflowExecution?.runId ?? "",
    activityId,
    attempt,
  };
}
