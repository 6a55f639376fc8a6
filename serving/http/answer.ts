import { Failure, isFailure } from "../../contracts/failures.ts";
import { BUG_MESSAGE, statusOf } from "../failure-status.ts";

/** What a handler answers; the server writes it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Text goes out in one piece with the headers. */
  readonly body: Uint8Array | string;
}

/** Bytes of an answer's body. */
export const bodyLength = ({ body }: Answer): number =>
  typeof body === "string" ? Buffer.byteLength(body) : body.length;

/** Exactly this: KServe's client does not read an error's text under `application/json; charset=utf-8`. */
const JSON_TYPE = { "content-type": "application/json" };

export function answerJson(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify(value) };
}

const HEADERS: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  401: { "www-authenticate": "Bearer" },
  503: { "retry-after": "1" },
};

/** The protocol's error for whatever was thrown. A bug shows its message to the log only. */
export function answerFailure(thrown: unknown): Answer {
  const status = statusOf(thrown);
  const error = isFailure(thrown) ? thrown.message : BUG_MESSAGE;
  return answerJson(status, { error }, isQuota(thrown) ? retryAfter(thrown.fields.waitMs) : HEADERS[status]);
}

const isQuota = (thrown: unknown): thrown is Failure<"QUOTA_EXCEEDED"> =>
  isFailure(thrown) && thrown.code === "QUOTA_EXCEEDED";

/** Whole seconds, as HTTP has them. */
const retryAfter = (ms: number): Readonly<Record<string, string>> => ({
  "retry-after": String(Math.max(1, Math.ceil(ms / 1000))),
});

/** A request that HTTP itself does not let through, with its status. */
export function refuse(status: number, found: string, allowed: string): Failure<"REQUEST_REFUSED"> {
  return new Failure("REQUEST_REFUSED", { status, found, allowed });
}
