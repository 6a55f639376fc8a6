import { hash } from "node:crypto";

import canonicalize from "canonicalize";

/** RFC 8785 canonical JSON: equal values have equal texts, whatever the order of their keys. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return text;
}

/** The same in UTF-8. */
export const canonicalBytes = (value: unknown): Buffer => Buffer.from(canonicalText(value), "utf8");

/** Over the parts one after the other. In one call, which takes half the time of an object made for each hash. */
export const sha256 = (...parts: readonly Uint8Array[]): Buffer => hash("sha256", Buffer.concat(parts), "buffer");

/** SHA-256 of the canonical JSON, in hexadecimal digits. */
export const digestOf = (value: unknown): string => sha256(canonicalBytes(value)).toString("hex");
