import { status } from "@grpc/grpc-js";
import { isFailure } from "../../contracts/failures.ts";
import { BUG_MESSAGE, statusOf } from "../failure-status.ts";

/** The gRPC code of each HTTP status that a request can meet. */
const CODES: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  429: status.RESOURCE_EXHAUSTED,
  499: status.CANCELLED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

/** The text travels in a header, and clients cap those at 8 KiB; a character may take nine bytes there. */
const MAXIMUM_TEXT = 800;

/** The same failure in gRPC's words. A bug shows its message to the log only. */
export function describeFailure(thrown: unknown): { readonly code: status; readonly details: string } {
  const details = isFailure(thrown) ? thrown.message : BUG_MESSAGE;
  return { code: CODES[statusOf(thrown)] ?? status.INTERNAL, details: details.slice(0, MAXIMUM_TEXT) };
}
