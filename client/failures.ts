import { ApplicationFailure, TemporalFailure } from "@temporalio/common";
import { WorkflowFailedError, WorkflowNotFoundError, WorkflowUpdateFailedError } from "@temporalio/client";
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

/** Codes of sockets, and SQLSTATEs of a Postgres that is stopping or starting (class 57P) or lost its connection (class 08). */
const SOCKET_CODES = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"];
const POSTGRES_CODES = /^(08|57P)/;
/** How pg words it, without a code. */
const POSTGRES_WORDS =
  /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i;
const GRPC_UNAVAILABLE = 14;

/** STACK_UNREACHABLE for what pg, drizzle and Temporal's client throw while a server is away, else null. */
function findUnreachable(thrown: unknown): Failure<"STACK_UNREACHABLE"> | null {
  for (let cause: unknown = thrown, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth += 1) {
    const code = "code" in cause ? cause.code : undefined;
    // An address with several IPs gives an AggregateError, which carries the code and no message.
    const reason = cause.message || String(code);
    if (code === GRPC_UNAVAILABLE && "metadata" in cause) {
      return new Failure(
        "STACK_UNREACHABLE",
        { what: "Temporal", address: "the address of this stack", reason },
        { cause: thrown },
      );
    }
    const away = typeof code === "string" && (SOCKET_CODES.includes(code) || POSTGRES_CODES.test(code));
    if (away || POSTGRES_WORDS.test(cause.message)) {
      return new Failure(
        "STACK_UNREACHABLE",
        { what: "Postgres", address: "the address of this stack", reason },
        { cause: thrown },
      );
    }
  }
  return null;
}

/** Runs a call to a server and gives back the catalogue's failure in what it throws, if there is one. */
export async function translated<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (thrown) {
    throw toFailure(thrown);
  }
}
