import type { Client, WorkflowHandle } from "@temporalio/client";

import type { ApprovalStanding } from "../../contracts/approval.ts";
import type { Decision, LifecycleInput, LifecycleResult, Request } from "../../contracts/messages.ts";
import { QUEUES, UPDATES, WORKFLOWS, workflowIds } from "../../contracts/names.ts";

/** What the stub `acceptSpec` answers with, sent as the spec. */
export interface StubSpec {
  readonly approvalRequired?: boolean;
  readonly endpoint?: string;
  readonly monitored?: boolean;
}

export const request: Request = { by: "grace", reason: "looked wrong" };
export const approve: Decision = { decision: "approve", by: "grace", reason: "good gates" };

export const lifecycleInput = (lifecycleId: string, spec: StubSpec, round = 1): LifecycleInput => ({
  lifecycleId,
  round,
  spec,
  startedBy: "ada",
  causedBy: null,
});

export async function startLifecycle(
  client: Client,
  lifecycleId: string,
  spec: StubSpec = {},
  round = 1,
): Promise<WorkflowHandle<() => Promise<LifecycleResult>>> {
  return (await client.workflow.start(WORKFLOWS.modelLifecycle, {
    taskQueue: QUEUES.control,
    workflowId: workflowIds.lifecycle(lifecycleId),
    args: [lifecycleInput(lifecycleId, spec, round)],
  })) as WorkflowHandle<() => Promise<LifecycleResult>>;
}

export async function startWorkflow<Result>(
  client: Client,
  type: keyof typeof WORKFLOWS,
  workflowId: string,
  input: object,
): Promise<WorkflowHandle<() => Promise<Result>>> {
  return (await client.workflow.start(type, {
    taskQueue: QUEUES.control,
    workflowId,
    args: [input],
  })) as WorkflowHandle<() => Promise<Result>>;
}

/** Decides as soon as the run waits for a decision; before that it is refused. */
export async function decideWhenAsked(handle: WorkflowHandle, decision: Decision): Promise<ApprovalStanding> {
  for (let left = 200; ; left -= 1) {
    try {
      return await handle.executeUpdate<ApprovalStanding, [Decision]>(UPDATES.decide, { args: [decision] });
    } catch (thrown) {
      if (left === 0 || failureType(thrown) !== "APPROVAL_NOT_WAITING") throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Type of the innermost cause: the catalogue's code, when it is one. */
function failureType(thrown: unknown): string | null {
  let inner = thrown;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return inner instanceof Error && "type" in inner ? String(inner.type) : null;
}

/** What something that must fail fails with. */
export async function failureOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
  } catch (thrown) {
    return failureType(thrown);
  }
  throw new Error("it did not fail");
}
