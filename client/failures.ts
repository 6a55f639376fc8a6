import { ApplicationFailure, TemporalFailure } from "@temporalio/common";
import { WorkflowFailedError, WorkflowNotFoundError, WorkflowUpdateFailedError } from "@temporalio/client";
import { Failure, FAILURES, type FailureCode, type FailureFields } from "../contracts/failures.ts";

/** The catalogue's failure inside what Temporal wraps around it; anything else comes back as it is. */
export function toFailure(thrown: unknown): unknown {
  if (thrown instanceof WorkflowNotFoundError) {
    return new Failure("LIFECYCLE_UNKNOWN", { lifecycle: thrown.workflowId.replace(/^lifecycle\//, "") }, { cause: thrown });
  }
  const known = findKnown(thrown);
  if (!known) return thrown;
  const [fields] = known.details ?? [];
  const failure = new Failure(known.type as FailureCode, (fields ?? {}) as FailureFields<FailureCode>, { cause: thrown });
  // The wording was made where the failure happened, with everything known there.
  failure.message = known.message;
  return failure;
}

function findKnown(thrown: unknown): ApplicationFailure | null {
  let cause: unknown = thrown;
  while (cause instanceof Error) {
    if (cause instanceof ApplicationFailure && typeof cause.type === "string" && cause.type in FAILURES) return cause;
    const wraps = cause instanceof WorkflowFailedError || cause instanceof WorkflowUpdateFailedError || cause instanceof TemporalFailure;
    cause = wraps ? cause.cause : null;
  }
  return null;
}
