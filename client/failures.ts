import { ApplicationFailure, TemporalFailure } from "@temporalio/common";
import { WorkflowFailedError, WorkflowNotFoundError, WorkflowUpdateFailedError } from "@temporalio/client";
import { whyAway } from "../db/hear.ts";
import { Failure, FAILURES, type FailureCode, type FailureFields } from "../contracts/failures.ts";

/**
 * The catalogue's failure inside what Temporal wraps around it, or STACK_UNREACHABLE when a server is away; anything else comes
 * back as it is.
 */
export function toFailure(thrown: unknown): unknown {
  if (thrown instanceof WorkflowNotFoundError) {
    return new Failure(
      "LIFECYCLE_UNKNOWN",
      { lifecycle: thrown.workflowId.replace(/^lifecycle\//, "") },
      { cause: thrown },
    );
  }
  const known = findKnown(thrown);
  if (!known) return findUnreachable(thrown) ?? thrown;
  const [fields] = known.details ?? [];
  const failure = new Failure(known.type as FailureCode, (fields ?? {}) as FailureFields<FailureCode>, {
    cause: thrown,
  });
  // The wording was made where the failure happened, with everything known there.
  failure.message = known.message;
  return failure;
}

function findKnown(thrown: unknown): ApplicationFailure | null {
  let cause: unknown = thrown;
  while (cause instanceof Error) {
    if (cause instanceof ApplicationFailure && typeof cause.type === "string" && cause.type in FAILURES) return cause;
    const wraps =
      cause instanceof WorkflowFailedError ||
      cause instanceof WorkflowUpdateFailedError ||
      cause instanceof TemporalFailure;
    cause = wraps ? cause.cause : null;
  }
  return null;
}

const GRPC_UNAVAILABLE = 14;

/** STACK_UNREACHABLE for what pg, drizzle and Temporal's client throw while a server is away, else null. */
function findUnreachable(thrown: unknown): Failure<"STACK_UNREACHABLE"> | null {
  for (let cause: unknown = thrown, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth += 1) {
    if ("code" in cause && cause.code === GRPC_UNAVAILABLE && "metadata" in cause) {
      return unreachable("Temporal", cause.message, thrown);
    }
  }
  const reason = whyAway(thrown);
  return reason === null ? null : unreachable("Postgres", reason, thrown);
}

const unreachable = (what: string, reason: string, cause: unknown) =>
  new Failure("STACK_UNREACHABLE", { what, address: "the address of this stack", reason }, { cause });

/** Runs a call to a server and gives back the catalogue's failure in what it throws, if there is one. */
export async function translated<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (thrown) {
    throw toFailure(thrown);
  }
}
