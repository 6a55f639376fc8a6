import { isFailure, type Failure, type FailureCode } from "../contracts/failures.ts";

/** Status of each failure that a request can meet; every other one is the gateway's own fault. */
const STATUSES: Partial<Record<FailureCode, number>> = {
  BEARER_REFUSED: 401,
  COLUMN_MISSING: 400,
  COLUMN_TYPE: 400,
  DEED_NOT_ALLOWED: 403,
  ENDPOINT_NOT_READY: 503,
  ENDPOINT_UNKNOWN: 404,
  GATEWAY_OVERLOADED: 503,
  INFERENCE_PROCESS_DIED: 503,
  INPUT_INVALID: 400,
  QUOTA_EXCEEDED: 429,
  REQUEST_ABANDONED: 499,
  REQUEST_EXPIRED: 504,
  STORAGE_UNAVAILABLE: 503,
  UNKNOWN_CATEGORY: 400,
};

/** Says to the client what a bug is: its message is for the log. */
export const BUG_MESSAGE = "the gateway failed; its log says why";

/** The HTTP status of whatever was thrown; gRPC's codes follow from it. */
export function statusOf(thrown: unknown): number {
  if (!isFailure(thrown)) return 500;
  return isRefusal(thrown) ? thrown.fields.status : (STATUSES[thrown.code] ?? 500);
}

/** True for what the client can mend by changing the request. */
export function isClientFault(thrown: unknown): boolean {
  return isFailure(thrown) && (STATUSES[thrown.code] ?? 500) < 500;
}

const isRefusal = (failure: Failure): failure is Failure<"REQUEST_REFUSED"> => failure.code === "REQUEST_REFUSED";
