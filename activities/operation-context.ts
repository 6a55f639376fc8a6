import { Context } from "@temporalio/activity";
import type { ExecutionContext } from "../db/queries/lineage/record-execution.ts";
import type { OperationContext } from "../db/queries/operation.ts";
import type { Dependencies } from "./dependencies.ts";

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

/** The same with the code it runs, for lineage. */
export const executionContext = ({ codeDigest }: Dependencies): ExecutionContext => ({
  ...operationContext(),
  codeDigest,
});
