import { Failure } from "./failures.ts";

/** Temporal warns at this size and refuses a multiple of it, retrying: we refuse first and say why. */
const MAXIMUM_PAYLOAD_BYTES = 256 * 1024;

/**
 * Lets a value through that may travel as a workflow's or activity's input or result: ids, digests and settings, never data.
 * @throws PAYLOAD_TOO_LARGE
 */
export function requireSmallPayload<Value>(where: string, value: Value): Value {
  const sizeBytes = new TextEncoder().encode(JSON.stringify(value) ?? "").length;
  if (sizeBytes > MAXIMUM_PAYLOAD_BYTES) {
    throw new Failure("PAYLOAD_TOO_LARGE", { where, sizeBytes, allowedBytes: MAXIMUM_PAYLOAD_BYTES });
  }
  return value;
}
