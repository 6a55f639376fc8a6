import { Failure, isFailure, type FailureCode } from "../../contracts/failures.ts";

/** What a handler answers; the server writes it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Exactly this: KServe's client does not read an error's text under `application/json; charset=utf-8`. */
const JSON_TYPE = { "content-type": "application/json" };

export function answerJson(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...JSON_TYPE, ...headers }, body: Buffer.from(JSON.stringify(value), "utf8") };
}

/** Status of each failure that a request can meet; every other one is the gateway's own fault. */
const STATUSES: Partial<Record<FailureCode, number>> = {
  COLUMN_MISSING: 400,
  COLUMN_TYPE: 400,
  ENDPOINT_NOT_READY: 503,
  ENDPOINT_UNKNOWN: 404,
  GATEWAY_OVERLOADED: 503,
  INFERENCE_PROCESS_DIED: 503,
  INPUT_INVALID: 400,
  STORAGE_UNAVAILABLE: 503,
  UNKNOWN_CATEGORY: 400,
};

/** The protocol's error for whatever was thrown. A bug shows its message to the log only. */
export function answerFailure(thrown: unknown): Answer {
  if (!isFailure(thrown)) return answerJson(500, { error: "the gateway failed; its log says why" });
  const status = isRefusal(thrown) ? thrown.fields.status : (STATUSES[thrown.code] ?? 500);
  return answerJson(status, { error: thrown.message }, status === 503 ? { "retry-after": "1" } : {});
}

/** True for what the client can mend by changing the request. */
export function isClientFault(thrown: unknown): boolean {
  return isFailure(thrown) && (STATUSES[thrown.code] ?? 500) < 500;
}

/** A request that HTTP itself does not let through, with its status. */
export function refuse(status: number, found: string, allowed: string): Failure<"REQUEST_REFUSED"> {
  return new Failure("REQUEST_REFUSED", { status, found, allowed });
}

const isRefusal = (failure: Failure): failure is Failure<"REQUEST_REFUSED"> => failure.code === "REQUEST_REFUSED";
